#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/scalar.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/layout/group_block.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

/// What tensor cores multiply for policy P: fp16 as it is, everything else as bf16 in two pieces, a
/// rounded value and what rounding left (16 bits of mantissa).
template <class P>
struct part_operand {
  using type = std::conditional_t<std::same_as<typename P::element, half>, half, bf16>;
  static constexpr int pieces = std::same_as<type, half> ? 1 : 2;

  /// Finite even where fp16 is not: a parameter near the largest value may read beyond it.
  __device__ __forceinline__ static float reach(float x) {
    if constexpr (pieces == 1) return fminf(fmaxf(x, -65504.0f), 65504.0f);
    return x;
  }
};

/// Rows of one tensor in shared memory, as fragments are loaded from: an odd number of 16-byte
/// words a row keeps eight rows in different banks.
template <class P, int Rows, int Pieces = part_operand<P>::pieces>
struct operand_rows {
  using operand = part_operand<P>;
  using type = typename operand::type;
  static constexpr int length = P::head_dim + 8;

  alignas(16) type items[Pieces][Rows][length];

  /// Stores `Count` (even) values in neighbouring channels. requires channel is a multiple of Count
  template <int Count>
  __device__ __forceinline__ void put(int row, int channel, float const (&x)[Count]) {
    std::uint32_t words[Pieces][Count / 2];
    OTT_UNROLL
    for (int i = 0; i < Count / 2; ++i) {
      float low = operand::reach(x[2 * i]);
      float high = operand::reach(x[2 * i + 1]);
      OTT_UNROLL
      for (int piece = 0; piece < Pieces; ++piece) {
        words[piece][i] = arch::narrow<type>(low, high);
        float2 const kept = arch::widen<type>(words[piece][i]);
        low -= kept.x;
        high -= kept.y;
      }
    }
    OTT_UNROLL
    for (int piece = 0; piece < Pieces; ++piece) {
      auto* const to = reinterpret_cast<std::uint32_t*>(&items[piece][row][channel]);
      if constexpr (Count == 4) {
        *reinterpret_cast<uint2*>(to) = make_uint2(words[piece][0], words[piece][1]);
      } else {
        OTT_UNROLL
        for (int i = 0; i < Count / 2; ++i) to[i] = words[piece][i];
      }
    }
  }

  /// Starts copying rows of elements; `row_of(row)` is where one lies in global memory (16-byte
  /// aligned). Where the operand type is the element's there is nothing but the first piece.
  /// requires arch::commit_copies, arch::wait_copies and a barrier before they are read
  template <class RowOf>
  __device__ void copy(int count, RowOf const& row_of) {
    using element = typename P::element;
    constexpr int each = 16 / sizeof(element);
    constexpr int chunks = P::head_dim / each;
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < count * chunks; i += blockDim.x) {
      int const row = i / chunks;
      int const channel = i % chunks * each;
      element const* const from = row_of(row) + channel;
      if constexpr (std::same_as<element, type>) {
        arch::copy_async_16(true, &items[0][row][channel], from);
      } else {
        uint4 const word = *reinterpret_cast<uint4 const*>(from);
        put(row, channel,
            {__uint_as_float(word.x), __uint_as_float(word.y), __uint_as_float(word.z),
             __uint_as_float(word.w)});
      }
    }
  }

  /// The same of rows that lie one after another, by all `Threads` threads.
  template <int Threads>
  __device__ void copy_from(int count, typename P::element const* from) {
    using element = typename P::element;
    constexpr int chunks = P::head_dim / 8;  // of 16 bytes
    constexpr int step = Threads / chunks;   // rows of one round
    if constexpr (std::same_as<element, type> && Threads % chunks == 0 && Rows % step == 0) {
      if (count == Rows) {
        int const row = static_cast<int>(threadIdx.x) / chunks;
        int const channel = static_cast<int>(threadIdx.x) % chunks * 8;
        element const* const own = from + row * P::head_dim + channel;
        OTT_UNROLL
        for (int i = 0; i < Rows; i += step) {
          arch::copy_async_16(true, &items[0][row + i][channel], own + i * P::head_dim);
        }
        return;
      }
    }
    copy(count, [&](int row) { return from + row * P::head_dim; });
  }

  /// Rows that hold no token read as zero: 0 times what lies there may be NaN.
  __device__ void clear(int first) {
    constexpr int words = length * sizeof(type) / 16;
    for (int piece = 0; piece < Pieces; ++piece) {
      auto* const to = reinterpret_cast<uint4*>(&items[piece][first][0]);
      for (int i = static_cast<int>(threadIdx.x); i < (Rows - first) * words; i += blockDim.x) {
        to[i] = uint4{0, 0, 0, 0};
      }
    }
  }
};

namespace detail {

template <class Quantizer, class Layout, class Param>
__device__ __forceinline__ typename Quantizer::params read_params(Param const* items, int token,
                                                                  int channel) {
  array<float, num_params<Quantizer>()> fields{};
  OTT_UNROLL
  for (int f = 0; f < num_params<Quantizer>(); ++f) {
    fields[f] = to_float(items[Layout::param_index(token, channel, f)]);
  }
  return bit_cast<typename Quantizer::params>(fields);
}

/// The codes of two neighbouring words: rows r and r + 8 of the same tiles.
template <class Layout>
struct word_pair {
  using codes = typename Layout::codes;
  using plane = typename codes::low_plane;
  using map = typename Layout::map;

  std::uint32_t const* words;
  int pair;
  uint2 low;

  __device__ __forceinline__ word_pair(std::uint32_t const* all, int pair_index)
      : words(all), pair(pair_index), low(reinterpret_cast<uint2 const*>(all)[pair_index]) {}

  __device__ __forceinline__ fragment_place place(int field, int byte) const {
    return plane::place(2 * pair, field, byte);
  }
  __device__ __forceinline__ int code(int second, int field, int byte) const {
    std::uint32_t const word = second != 0 ? low.y : low.x;
    int code =
        static_cast<int>(word >> (8 * byte + plane::bits * field) & ((1u << plane::bits) - 1u));
    if constexpr (codes::split) {
      using high = typename codes::high_plane;
      fragment_place p = place(field, byte);
      p.row += 8 * second;
      code |= static_cast<int>(words[plane::num_words + high::word(p)] >> high::shift(p) & 1u) << 2;
    }
    return code;
  }
};

}  // namespace detail

/// Reads the keys of tokens [first, first + count) of a group into rows 0 .. count - 1.
template <class P, int Rows>
__device__ void read_keys(operand_rows<P, Rows>& rows, group_block<P> const& block, int first,
                          int count) {
  if constexpr (exact_keys<P>) {
    rows.copy(count, [&](int t) { return block.key_codes() + (first + t) * P::head_dim; });
  } else {
    using layout = key_layout<P>;
    using quantizer = typename P::key_quantizer;
    using pair_type = detail::word_pair<layout>;
    using plane = typename pair_type::plane;
    auto const* const params = block.key_params();
    for (int i = static_cast<int>(threadIdx.x); i < plane::num_words / 2; i += blockDim.x) {
      int const lowest = layout::map::token(plane::place(2 * i, 0, 0));
      if (lowest >= first + count || lowest + 16 * (plane::tile_fields - 1) + 8 < first) continue;
      pair_type const pair(block.key_codes(), i);
      OTT_UNROLL
      for (int step = 0; step < plane::step_fields; ++step) {
        int const field = step * plane::tile_fields;
        int const channel = layout::map::channel(pair.place(field, 0));
        if (channel >= P::head_dim) continue;
        typename quantizer::params p[4];
        OTT_UNROLL
        for (int b = 0; b < 4; ++b) {
          if constexpr (!layout::by_channel) continue;
          p[b] = detail::read_params<quantizer, layout>(params, 0, channel + b);
        }
        OTT_UNROLL
        for (int j = 0; j < 2 * plane::tile_fields; ++j) {
          int const token = lowest + 16 * (j / 2) + 8 * (j % 2);
          if (token < first || token >= first + count) continue;
          float x[4];
          OTT_UNROLL
          for (int b = 0; b < 4; ++b) {
            if constexpr (!layout::by_channel) {
              p[b] = detail::read_params<quantizer, layout>(params, token, channel + b);
            }
            x[b] = quantizer::decode(p[b], pair.code(j % 2, field + j / 2, b));
          }
          rows.put(token - first, channel, x);
        }
      }
    }
  }
}

/// Reads the values of tokens [first, first + count) of a group into rows 0 .. count - 1.
template <class P, int Rows>
__device__ void read_values(operand_rows<P, Rows>& rows, group_block<P> const& block, int first,
                            int count) {
  if constexpr (exact_values<P>) {
    rows.copy(count, [&](int t) { return block.value_codes() + (first + t) * P::head_dim; });
  } else {
    using layout = value_layout<P>;
    using quantizer = typename P::value_quantizer;
    using pair_type = detail::word_pair<layout>;
    using plane = typename pair_type::plane;
    constexpr bool whole_rows = !layout::by_channel && layout::width == P::head_dim;
    auto const* const params = block.value_params();
    for (int i = static_cast<int>(threadIdx.x); i < plane::num_words / 2; i += blockDim.x) {
      pair_type const pair(block.value_codes(), i);
      OTT_UNROLL
      for (int step = 0; step < plane::step_fields; ++step) {
        int const lowest = layout::map::token(pair.place(step * plane::tile_fields, 0));
        if (lowest >= first + count || lowest + 9 < first) continue;
        typename quantizer::params p[4];
        OTT_UNROLL
        for (int b = 0; b < 4; ++b) {
          int const token = lowest + b % 2 + 8 * (b / 2);
          if (whole_rows) p[b] = detail::read_params<quantizer, layout>(params, token, 0);
        }
        OTT_UNROLL
        for (int j = 0; j < plane::tile_fields; ++j) {
          // Lanes of a quad start at different fields: their stores meet different banks.
          int const field = step * plane::tile_fields + (j + i / 2) % plane::tile_fields;
          int const channel = layout::map::channel(pair.place(field, 0));
          if (channel >= P::head_dim) continue;
          OTT_UNROLL
          for (int b = 0; b < 4; ++b) {
            int const token = lowest + b % 2 + 8 * (b / 2);
            if (token < first || token >= first + count) continue;
            typename quantizer::params low = p[b];
            typename quantizer::params high = p[b];
            if constexpr (!whole_rows) {
              low = detail::read_params<quantizer, layout>(params, token, channel);
              high = detail::read_params<quantizer, layout>(params, token, channel + 1);
            }
            rows.put(token - first, channel,
                     {quantizer::decode(low, pair.code(0, field, b)),
                      quantizer::decode(high, pair.code(1, field, b))});
          }
        }
      }
    }
  }
}

}  // namespace ott
