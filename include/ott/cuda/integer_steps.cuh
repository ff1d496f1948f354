#pragma once

#include <cstdint>
#include <utility>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/query_record.hpp>
#include <ott/cuda/score_tile.cuh>
#include <ott/cuda/value_tile.cuh>

namespace ott {

/// How a warp attends to quantized groups, one a step, by integer tensor cores.
template <class P, int Sets>
struct integer_steps {
  using shape = group_shape<P>;
  static constexpr int a_group = 1;  // steps
  static constexpr int tokens = P::group;
  using query = query_record<P, Sets>;
  using scores = score_tile<P, Sets>;
  using sums = group_accumulator<P, Sets>;

  __device__ __forceinline__ static scores score(std::uint8_t const* keys, query const& q, int lane,
                                                 attend_args<P> const&) {
    return scores(keys, q, lane);
  }
  /// Start the copies of a block's half, of its only step; none where there is no block.
  __device__ __forceinline__ static void copy_keys(std::uint8_t* to, std::uint8_t const* block, int,
                                                   int lane) {
    copy<shape::key_bytes, 0>(to, block, lane);
  }
  __device__ __forceinline__ static void copy_values(std::uint8_t* to, std::uint8_t const* block,
                                                     int, int lane) {
    copy<shape::value_bytes, shape::value_half_at>(to, block, lane);
  }

 private:
  template <int Bytes, int At>
  __device__ __forceinline__ static void copy(std::uint8_t* to, std::uint8_t const* block,
                                              int lane) {
    copy_rows<Bytes>(to + lane * 16, block + (At + lane * 16), block != nullptr, lane,
                     std::make_integer_sequence<int, ceil_div(Bytes, 4096)>{});
  }
  /// Pages of eight rows of 512 bytes: an instruction reaches no farther from its address.
  template <int Bytes, int... Pages>
  __device__ __forceinline__ static void copy_rows(std::uint8_t* to, std::uint8_t const* from,
                                                   bool wanted, int lane,
                                                   std::integer_sequence<int, Pages...>) {
    (copy_page<Bytes, 4096 * Pages>(to, arch::fixed(from + 4096 * Pages + 2048), wanted, lane,
                                    std::make_integer_sequence<int, 8>{}),
     ...);
  }
  template <int Bytes, int Page, int... Rows>
  __device__ __forceinline__ static void copy_page(std::uint8_t* to, std::uint8_t const* from,
                                                   bool wanted, int lane,
                                                   std::integer_sequence<int, Rows...>) {
    (copy_row<Bytes, Page + 512 * Rows, 512 * Rows - 2048>(to, from, wanted, lane), ...);
  }
  template <int Bytes, int At, int From>
  __device__ __forceinline__ static void copy_row(std::uint8_t* to, std::uint8_t const* from,
                                                  bool wanted, int lane) {
    if constexpr (At + 512 <= Bytes) {
      arch::copy_once_16<At, From>(wanted, to, from);
    } else if constexpr (At < Bytes) {
      arch::copy_once_16<At, From>(wanted && lane * 16 < Bytes - At, to, from);
    }
  }
};

}  // namespace ott
