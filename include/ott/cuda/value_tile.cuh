#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/plane_sums.cuh>
#include <ott/cuda/row_lanes.cuh>
#include <ott/cuda/score_tile.cuh>

namespace ott {

/// Softmax state and output of up to 4 * Sets rows, spread over a warp, in units of log2.
/// shape    lane l: rows 4 * set + l % 4; out[set][i] is channel l / 4 * lane_channels + i;
///          sum and shift are of this lane's tokens alone until `finish`
template <class P, int Sets>
struct group_accumulator {
  using shape = group_shape<P>;

  float maximum[Sets], sum[Sets], shift[Sets];  // shift: what every channel gets (zero points)
  float out[Sets][shape::lane_channels];

  __device__ __forceinline__ group_accumulator() {
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      maximum[set] = -1e30f, sum[set] = 0, shift[set] = 0;
      OTT_UNROLL
      for (int i = 0; i < shape::lane_channels; ++i) out[set][i] = 0;
    }
  }

  /// Adds one group: weights from scores, then weights times codes by integer tensor cores.
  /// p * scale becomes 16-bit fixed point against the group's own largest; what rounding did to the
  /// sum is put back at the middle code, so that it costs a token only its distance from there.
  __device__ __forceinline__ void add(score_tile<P, Sets>& scores, std::uint8_t const* value,
                                      int lane) {
    constexpr int tiles = shape::token_tiles;
    std::uint32_t bytes[Sets][shape::token_steps][2];
    float unit[Sets];
    if constexpr (shape::has_marks) detail::hide_marked<shape>(scores.at, value, lane);
    raise(scores);
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) unit[set] = 1e-30f;
    weigh(scores, value, lane, unit);
    std::uint32_t const pick = lane & 4 ? 0x2064 : 0x7531;  // even columns: high bytes
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      float const reach = detail::largest_of_row(unit[set]);
      float const scale = shape::value_reach * arch::reciprocal(reach);
      unit[set] = reach * (1.0f / shape::value_reach);
      std::uint32_t total = 0;
      OTT_UNROLL
      for (int t = 0; t < tiles; ++t) {
        // 2^23 leaves the rounded integer in the low bits.
        std::uint32_t const a = __float_as_uint(fmaf(scores.at[set][2 * t], scale, 8388608.0f));
        std::uint32_t const b = __float_as_uint(fmaf(scores.at[set][2 * t + 1], scale, 8388608.0f));
        total += a + b;
        std::uint32_t const x = arch::transpose_8x8(__byte_perm(a, b, 0x5410));
        std::uint32_t const y = __shfl_xor_sync(detail::all_lanes, x, 4);
        bytes[set][t / 2][t % 2] = __byte_perm(x, y, pick);
      }
      int const weights = static_cast<int>(total - 2u * tiles * 0x4b000000u);
      constexpr float middle = ((1 << P::value_quantizer::bits) - 1) * 0.5f;
      shift[set] = fmaf(-middle * unit[set], static_cast<float>(weights), shift[set]);
    }
    using codes = typename shape::value::codes;
    multiply<typename codes::low_plane>(value, lane, bytes, unit, 1.0f);
    if constexpr (codes::split) {
      multiply<typename codes::high_plane>(value + codes::low_plane::num_words * 4, lane, bytes,
                                           unit, 4.0f);
    }
  }

  /// Makes sums whole and adds the shift to every channel: the un-normalized output.
  __device__ __forceinline__ void finish() {
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      detail::sum_row(sum[set], shift[set]);
      OTT_UNROLL
      for (int i = 0; i < shape::lane_channels; ++i) out[set][i] += shift[set];
    }
  }
  /// Leaves the warp's rows. shape rows [4 * Sets][Length]; maxima, totals [4 * Sets]
  template <int Length>
  __device__ __forceinline__ void store(float (&rows)[4 * Sets][Length], float (&maxima)[4 * Sets],
                                        float (&totals)[4 * Sets], int lane) const {
    constexpr int channels = shape::lane_channels, width = channels % 4 == 0 ? 4 : 2;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      float* const row = rows[4 * set + lane % 4] + lane / 4 * channels;
      OTT_UNROLL
      for (int i = 0; i < channels; i += width) {
        if (channels * 8 != P::head_dim && lane / 4 * channels + i >= P::head_dim) continue;
        float const(&x)[channels] = out[set];
        if constexpr (width == 4) {
          *reinterpret_cast<float4*>(row + i) = {x[i], x[i + 1], x[i + 2], x[i + 3]};
        } else {
          *reinterpret_cast<float2*>(row + i) = {x[i], x[i + 1]};
        }
      }
      if (lane < 4) maxima[4 * set + lane] = maximum[set], totals[4 * set + lane] = sum[set];
    }
  }

 private:
  /// Moves the running maximum where a score is above it.
  __device__ __forceinline__ void raise(score_tile<P, Sets> const& scores) {
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      float const(&s)[shape::lane_tokens] = scores.at[set];
      float most[4] = {s[0], s[1], s[2], s[3]};
      OTT_UNROLL
      for (int i = 4; i < shape::lane_tokens; ++i) most[i % 4] = fmaxf(most[i % 4], s[i]);
      float top = fmaxf(fmaxf(most[0], most[1]), fmaxf(most[2], most[3]));
      if (!__any_sync(detail::all_lanes, top > maximum[set])) continue;
      float const raised = fmaxf(maximum[set], detail::largest_of_row(top));
      float const keep = arch::exp2(maximum[set] - raised);
      maximum[set] = raised, sum[set] *= keep, shift[set] *= keep;
      OTT_UNROLL
      for (int i = 0; i < shape::lane_channels; ++i) out[set][i] *= keep;
    }
  }

  /// Scores become weights times value scale; `reach` becomes this lane's largest of them.
  __device__ __forceinline__ void weigh(score_tile<P, Sets>& scores, std::uint8_t const* value,
                                        int lane, float (&reach)[Sets]) {
    using param = typename P::param;
    constexpr int fields = shape::has_value_zero ? 2 : 1;
    std::uint8_t const* const own =
        value + shape::value_params_at + lane / 4 * shape::lane_tokens * fields * 2;
    float scaled[Sets] = {}, zeros[Sets] = {};
    OTT_UNROLL
    for (int i = 0; i < shape::lane_tokens; i += 4) {
      float scale[4], zero[4];
      if constexpr (shape::has_value_zero) {
        uint4 const w = detail::load_shared<uint4>(own + i * 4);
        std::uint32_t const words[4] = {w.x, w.y, w.z, w.w};
        OTT_UNROLL
        for (int j = 0; j < 4; ++j) {
          float2 const pair = arch::widen<param>(words[j]);
          scale[j] = pair.x, zero[j] = pair.y;
        }
      } else {
        uint2 const w = detail::load_shared<uint2>(own + i * 2);
        float2 const a = arch::widen<param>(w.x), b = arch::widen<param>(w.y);
        scale[0] = a.x, scale[1] = a.y, scale[2] = b.x, scale[3] = b.y;
      }
      OTT_UNROLL
      for (int set = 0; set < Sets; ++set) {
        OTT_UNROLL
        for (int j = 0; j < 4; ++j) {
          float const p = arch::exp2(scores.at[set][i + j] - maximum[set]);
          float const w = p * scale[j];
          sum[set] += p;
          scaled[set] += w;
          if constexpr (shape::has_value_zero) zeros[set] = fmaf(p, zero[j], zeros[set]);
          reach[set] = fmaxf(reach[set], w);
          scores.at[set][i + j] = w;
        }
      }
    }
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      constexpr float middle = ((1 << P::value_quantizer::bits) - 1) * 0.5f;
      shift[set] += zeros[set] + (middle + shape::value_zero_of_unit) * scaled[set];
    }
  }

  template <class Plane>
  __device__ __forceinline__ void multiply(
      std::uint8_t const* codes, int lane,
      std::uint32_t const (&bytes)[Sets][shape::token_steps][2], float const (&unit)[Sets],
      float weight) {
    detail::multiply_plane<Plane, shape::channel_tiles, shape::token_steps, Sets, false>(
        codes, lane, bytes, [&](int set, int tile, float x, float y) {
          float const each = unit[set] * (weight * detail::unit_weight<Plane>(tile));
          out[set][2 * tile] = fmaf(x, each, out[set][2 * tile]);
          out[set][2 * tile + 1] = fmaf(y, each, out[set][2 * tile + 1]);
        });
  }
};

}  // namespace ott
