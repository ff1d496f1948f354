#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/exact_tile.hpp>
#include <ott/cuda/row_lanes.cuh>
#include <ott/cuda/score_tile.cuh>

// Attention of up to eight query rows over sixteen exact tokens by 16-bit tensor cores: K and V are
// operand A as they lie, so that few rows fill the eight columns.
namespace ott {

/// Up to 4 * Sets query rows, raw, as operand B: a rounded value, and what rounding left.
template <class P, int Sets>
struct alignas(128) exact_query {
  using type = typename P::element;
  static constexpr bool prepared = false;  // raw
  static constexpr bool has_units = false;
  static constexpr int rows = 4 * Sets;
  static constexpr int steps = P::head_dim / 16;
  static constexpr int row_eights = P::head_dim / 8;
  static constexpr int eights = rows * row_eights;

  std::uint32_t words[2][steps][32][2];

  OTT_HD static constexpr int row(int eight) { return eight / row_eights; }
  OTT_HD static constexpr int channel(int eight) { return eight % row_eights * 8; }

  /// Fills one eight: eight channels of a row. requires x: the channels, zero for a missing row
  __device__ __forceinline__ void write(int eight, float const (&x)[8]) {
    int const half_step = eight % row_eights, lane = row(eight) * 4;
    OTT_UNROLL
    for (int i = 0; i < 4; ++i) {
      float const low = reach(x[2 * i]), high = reach(x[2 * i + 1]);
      std::uint32_t const rounded = arch::narrow<type>(low, high);
      float2 const kept = arch::widen<type>(rounded);
      words[0][half_step / 2][lane + i][half_step % 2] = rounded;
      words[1][half_step / 2][lane + i][half_step % 2] =
          arch::narrow<type>(low - kept.x, high - kept.y);
      if constexpr (Sets == 1) {  // columns without a row
        words[0][half_step / 2][lane + 16 + i][half_step % 2] = 0;
        words[1][half_step / 2][lane + 16 + i][half_step % 2] = 0;
      }
    }
  }

 private:
  __device__ __forceinline__ static float reach(float x) {
    if constexpr (std::same_as<type, half>) return fminf(fmaxf(x, -65504.0f), 65504.0f);
    return x;
  }
};

/// Logits of sixteen tokens, in units of log2, as lanes hold them.
/// shape    lane l: at[2 s + i] is token l / 4 + 8 s, row 2 (l % 4) + i
template <class P, int Sets>
struct exact_scores {
  static constexpr int own_rows = 2;
  float at[4];

  __device__ __forceinline__ static int own_row(int lane, int i) { return 2 * (lane % 4) + i; }

  /// `scale`: softmax scale times log2(e); whole: queries are what the element type holds.
  __device__ __forceinline__ exact_scores(std::uint8_t const* keys, exact_query<P, Sets> const& q,
                                          int lane, float scale, bool whole) {
    using type = typename P::element;
    auto const* const row = reinterpret_cast<type const*>(keys) +
                            (lane / 8 % 2 * 8 + lane % 8) * exact_tile<P>::length + lane / 16 * 8;
    float even[4] = {}, odd[4] = {};
    OTT_UNROLL
    for (int step = 0; step < exact_query<P, Sets>::steps; ++step) {
      float(&sum)[4] = step % 2 == 0 ? even : odd;
      std::uint32_t k[4];
      arch::load_matrices(k, row + 16 * step);
      uint2 const b = *reinterpret_cast<uint2 const*>(q.words[0][step][lane]);
      arch::mma_f16<type>(sum, uint4{k[0], k[1], k[2], k[3]}, b.x, b.y);
      if (!whole) {
        uint2 const rest = *reinterpret_cast<uint2 const*>(q.words[1][step][lane]);
        arch::mma_f16<type>(sum, uint4{k[0], k[1], k[2], k[3]}, rest.x, rest.y);
      }
    }
    OTT_UNROLL
    for (int i = 0; i < 4; ++i) at[i] = (even[i] + odd[i]) * scale;
  }
  __device__ __forceinline__ void soften(float cap) {
    float const inverse = 1.0f / cap;
    OTT_UNROLL
    for (int i = 0; i < 4; ++i) at[i] = cap * arch::tanh(at[i] * inverse);
  }
  /// Takes tokens out: `hidden(i, token)` is asked for every score this lane holds.
  template <class Hidden>
  __device__ __forceinline__ void hide(int lane, Hidden const& hidden) {
    OTT_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (hidden(i % 2, lane / 4 + 8 * (i / 2))) at[i] = __int_as_float(0xff800000);
    }
  }
};

/// Softmax state and output of up to 4 * Sets rows, spread over a warp, in units of log2.
/// shape    lane l: rows 2 (l % 4) + i; out[c][2 s + i] is channel 16 c + l / 4 + 8 s;
///          sum is of this lane's tokens alone until `finish`
template <class P, int Sets>
struct exact_fold {
  static constexpr int steps = P::head_dim / 16;
  using type = typename P::element;
  static constexpr int pieces = std::same_as<type, half> ? 1 : 2;  // of a weight

  float maximum[2] = {-1e30f, -1e30f};
  float sum[2] = {0, 0};
  float out[steps][4] = {};

  __device__ __forceinline__ void add(exact_scores<P, Sets> const& scores,
                                      std::uint8_t const* values, int lane) {
    float keep[2];
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      float const top = fmaxf(scores.at[i], scores.at[i + 2]);
      float const raised = fmaxf(maximum[i], detail::largest_of_row(top));
      keep[i] = arch::exp2(maximum[i] - raised);
      maximum[i] = raised, sum[i] *= keep[i];
    }
    if (__any_sync(detail::all_lanes, keep[0] != 1.0f || keep[1] != 1.0f)) {
      OTT_UNROLL
      for (int c = 0; c < steps; ++c) {
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) out[c][i] *= keep[i % 2];
      }
    }
    float weight[4];
    OTT_UNROLL
    for (int i = 0; i < 4; ++i) weight[i] = arch::exp2(scores.at[i] - maximum[i % 2]);
    std::uint32_t b[pieces][2];
    OTT_UNROLL
    for (int s = 0; s < 2; ++s) {
      OTT_UNROLL
      for (int piece = 0; piece < pieces; ++piece) {
        std::uint32_t const pair = arch::narrow<type>(weight[2 * s], weight[2 * s + 1]);
        float2 const kept = arch::widen<type>(pair);
        sum[0] += kept.x, sum[1] += kept.y;  // what is multiplied is what is divided by
        weight[2 * s] -= kept.x, weight[2 * s + 1] -= kept.y;
        b[piece][s] = arch::transpose_8x8(pair);
      }
    }
    auto const* const row = reinterpret_cast<type const*>(values) +
                            (lane / 16 * 8 + lane % 8) * exact_tile<P>::length + lane / 8 % 2 * 8;
    OTT_UNROLL
    for (int c = 0; c < steps; ++c) {
      std::uint32_t v[4];
      arch::load_transposed(v, row + 16 * c);
      OTT_UNROLL
      for (int piece = 0; piece < pieces; ++piece) {
        arch::mma_f16<type>(out[c], uint4{v[0], v[1], v[2], v[3]}, b[piece][0], b[piece][1]);
      }
    }
  }
  /// Makes sums whole.
  __device__ __forceinline__ void finish() {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) detail::sum_row(sum[i]);
  }
  /// Leaves the warp's rows. shape rows [4 * Sets][Length]; maxima, totals [4 * Sets]
  template <int Length>
  __device__ __forceinline__ void store(float (&rows)[4 * Sets][Length], float (&maxima)[4 * Sets],
                                        float (&totals)[4 * Sets], int lane) const {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      int const row = 2 * (lane % 4) + i;
      if (row >= 4 * Sets) continue;
      OTT_UNROLL
      for (int c = 0; c < steps; ++c) {
        rows[row][16 * c + lane / 4] = out[c][i];
        rows[row][16 * c + lane / 4 + 8] = out[c][i + 2];
      }
      if (lane < 4) maxima[row] = maximum[i], totals[row] = sum[i];
    }
  }
};

}  // namespace ott
