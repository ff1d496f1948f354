#pragma once

#include <cstdint>
#include <utility>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/exact_fold.cuh>
#include <ott/cuda/exact_tile.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

// Rows that are not quantized (window, pools, groups of a policy without quantizer), sixteen tokens
// a step.
namespace ott {

/// Sixteen exact rows of one head: of its traced tokens, or of its window.
template <class P>
struct exact_rows {
  using element = typename P::element;
  static constexpr int tokens = exact_tile<P>::tokens;

  element const* keys;
  element const* values;
  int first;     // row of the first token
  int used;      // rows from the first on that hold a token; may be more than sixteen
  int capacity;  // rows before the ring begins again
  int position;  // of the first token; -1 where tokens are traced

  /// Tile `tile` of those that hold tokens: traced ones come first.
  __device__ __forceinline__ exact_rows(head_state<P> const& state, int tile, int traced,
                                        int window_begin, int window_size) {
    int const at = tile * tokens, of_traced = round_up(traced, tokens);
    if (at < of_traced && traced_capacity<P> != 0) {
      keys = state.traced_k, values = state.traced_v;
      first = at, used = traced - at, capacity = traced_capacity<P>, position = -1;
    } else {
      int const age = at - of_traced;
      keys = state.window_k, values = state.window_v;
      position = window_begin + age, first = position % window_capacity<P>;
      used = window_size - age, capacity = window_capacity<P>;
    }
  }
  /// Starts copies; rows without a token become zero, as 0 times what lies there may be NaN.
  __device__ __forceinline__ void copy(std::uint8_t* to, element const* from, int lane) const {
    if constexpr (never_wraps && 32 % chunks == 0) {
      std::uint8_t* const place = to + (lane + lane / chunks) * 16;
      element const* const row = arch::fixed(from + (first * P::head_dim + lane * 8 + 1024));
      copy_times(place, row, used - lane / chunks,
                 std::make_integer_sequence<int, tokens * chunks / 32>{});
    } else {
#pragma unroll 2
      for (int i = 0; i < tokens * chunks; i += 32) {
        int const chunk = i + lane, row = chunk / chunks, at = first + row;
        bool const wanted = row < used;
        int const place = wanted ? (at < capacity ? at : at - capacity) : 0;
        arch::copy_once_16_or_zero(wanted, to + (chunk + row) * 16,
                                   from + (place * P::head_dim + chunk % chunks * 8));
      }
    }
  }
  /// Position of a row's token; beyond all queries where the row holds none.
  __device__ __forceinline__ int position_of(int row, head_state<P> const& state) const {
    if (row >= used) return attend_args<P>::hidden_pos;
    return position < 0 ? state.entries[first + row].pos : position + row;
  }

 private:
  static constexpr int chunks = P::head_dim / 8;  // of a row, 16 bytes each
  /// Do a tile's rows that hold tokens always follow each other?
  static constexpr bool never_wraps = window_capacity<P> % tokens == 0 && P::group % tokens == 0;

  /// Whole rows at a time, each followed by 16 bytes, which keep banks apart. left: rows that hold
  /// a token, from this lane's first on
  template <int... Times>
  __device__ __forceinline__ static void copy_times(std::uint8_t* to, element const* from, int left,
                                                    std::integer_sequence<int, Times...>) {
    if constexpr (sizeof...(Times) <= 8) {
      (arch::copy_once_16_or_zero<Times*(512 + 512 / chunks), Times * 512 - 2048>(
           Times * (32 / chunks) < left, to, from),
       ...);
    } else {  // an instruction reaches no farther from its address
      element const* const far = arch::fixed(from + 2048);
      (arch::copy_once_16_or_zero<Times*(512 + 512 / chunks), Times % 8 * 512 - 2048>(
           Times * (32 / chunks) < left, to, Times < 8 ? from : far),
       ...);
    }
  }
};

/// How a warp attends to exact rows.
template <class P, int Sets>
struct exact_steps {
  static constexpr int tokens = exact_tile<P>::tokens;
  static constexpr int a_group = P::group / tokens;  // steps
  using query = exact_query<P, Sets>;
  using scores = exact_scores<P, Sets>;
  using sums = exact_fold<P, Sets>;

  __device__ __forceinline__ static scores score(std::uint8_t const* keys, query const& q, int lane,
                                                 attend_args<P> const& args) {
    return scores(keys, q, lane, args.options.scale * 1.4426950408889634f,
                  args.q.kind == kind_of<typename P::element>());
  }
  /// Start the copies of a step of an unquantized group; none where there is no block.
  __device__ __forceinline__ static void copy_keys(std::uint8_t* to, std::uint8_t const* block,
                                                   int step, int lane) {
    copy(to, block, 0, step, lane);
  }
  __device__ __forceinline__ static void copy_values(std::uint8_t* to, std::uint8_t const* block,
                                                     int step, int lane) {
    copy(to, block, sizeof(key_half<P>), step, lane);
  }

 private:
  static constexpr int chunks = P::head_dim / 8;  // 16 bytes each

  __device__ __forceinline__ static void copy(std::uint8_t* to, std::uint8_t const* block, int half,
                                              int step, int lane) {
    if (block == nullptr) return;
    std::uint8_t const* const from = block + half + step % a_group * (tokens * P::head_dim * 2);
    if constexpr (32 % chunks == 0) {  // whole rows at a time, each followed by 16 bytes
      copy_rows(to + (lane + lane / chunks) * 16, arch::fixed(from + lane * 16 + 2048),
                std::make_integer_sequence<int, tokens * chunks / 32>{});
    } else {
      OTT_UNROLL
      for (int i = 0; i < tokens * chunks; i += 32) {
        int const chunk = i + lane;
        arch::copy_once_16(true, to + (chunk + chunk / chunks) * 16, from + chunk * 16);
      }
    }
  }
  template <int... Times>
  __device__ __forceinline__ static void copy_rows(std::uint8_t* to, std::uint8_t const* from,
                                                   std::integer_sequence<int, Times...>) {
    if constexpr (sizeof...(Times) <= 8) {
      (arch::copy_once_16<Times*(512 + 512 / chunks), Times * 512 - 2048>(true, to, from), ...);
    } else {  // an instruction reaches no farther from its address
      std::uint8_t const* const far = arch::fixed(from + 4096);
      (arch::copy_once_16<Times*(512 + 512 / chunks), Times % 8 * 512 - 2048>(
           true, to, Times < 8 ? from : far),
       ...);
    }
  }
};

}  // namespace ott
