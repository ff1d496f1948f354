#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/plane_sums.cuh>
#include <ott/cuda/query_record.hpp>

// Scores of one group by integer tensor cores. q . (zero + scale * code) is taken apart: q * scale
// becomes 16-bit fixed point once a group, its two bytes sit in neighbouring columns, codes go in
// as they lie, and q . zero is one fp16 product for all tokens.
// source   docs/performance.md; the layout makes every operand one AND of one loaded word
namespace ott {

/// Query rows folded with one group's key parameters.
template <class P, int Sets>
struct folded_query {
  std::uint32_t bytes[Sets][group_shape<P>::channel_steps][2];
  float unit[Sets];  // of the fixed point, for this lane's row
  float base[Sets];  // q . zero, for this lane's row

  __device__ __forceinline__ folded_query(std::uint8_t const* key, query_record<P, Sets> const& q,
                                          int lane) {
    using shape = group_shape<P>;
    using param = typename P::param;
    constexpr int steps = shape::channel_steps;
    bool const odd = (lane & 4) != 0;
    int const first = lane % 4 * 8 * steps;
    std::uint8_t const* const scales = key + shape::key_scales_at + first * 2;
    // Lanes r and r + 1 (r even) share a row: each scales one half of every eight channels.
    uint2 pairs[steps];
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      pairs[s] = detail::load_shared<uint2>(scales + s * 16 + (odd ? 8 : 0));
    }
    std::uint32_t const keep = odd ? 0x6420 : 0x7531, send = odd ? 0x7531 : 0x6420;
    std::uint32_t const flip = odd ? 0x80808080u : 0u;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      // A's rows below 8 serve one half of the channels, the rows above the other: no register
      // moves.
      constexpr int at = shape::has_key_zero ? shape::key_zeros_at : shape::key_scales_at;
      float low[4] = {}, high[4] = {};
      OTT_UNROLL
      for (int s = 0; s < steps; ++s) {
        uint4 const a = detail::load_shared<uint4>(key + at + first * 2 + s * 16);
        uint4 const b = *reinterpret_cast<uint4 const*>(q.split[set][s][lane]);
        arch::mma_f16<param>(low, a, b.x, b.y);
        arch::mma_f16<param>(high, a, b.z, b.w);
      }
      base[set] = (low[0] + low[1]) + (high[2] + high[3]);
      if constexpr (!shape::has_key_zero) base[set] *= shape::key_zero_of_unit;
      float x[steps][4], most[4] = {1e-30f, 0, 0, 0};
      OTT_UNROLL
      for (int s = 0; s < steps; ++s) {
        float4 const row = *reinterpret_cast<float4 const*>(q.exact[set][s][lane]);
        float2 const a = arch::widen<param>(pairs[s].x), b = arch::widen<param>(pairs[s].y);
        x[s][0] = row.x * a.x, x[s][1] = row.y * a.y, x[s][2] = row.z * b.x, x[s][3] = row.w * b.y;
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) most[i] = fmaxf(most[i], fabsf(x[s][i]));
      }
      float reach = fmaxf(fmaxf(most[0], most[1]), fmaxf(most[2], most[3]));
      OTT_UNROLL
      for (int d = 1; d <= 4; d *= 2) {
        reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, d));
      }
      float const scale = shape::key_reach * arch::reciprocal(reach);
      unit[set] = __shfl_sync(detail::all_lanes, reach, 8 * (lane % 4)) * (1.0f / shape::key_reach);
      OTT_UNROLL
      for (int s = 0; s < steps; ++s) {
        // 1.5 * 2^23 leaves the rounded integer in the low bits; + 128 makes the high byte round.
        std::uint32_t u[4];
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) u[i] = __float_as_uint(fmaf(x[s][i], scale, 12583040.0f));
        std::uint32_t const low = __byte_perm(u[0], u[1], 0x5410);
        std::uint32_t const high = __byte_perm(u[2], u[3], 0x5410);
        std::uint32_t const mine = __byte_perm(low, high, keep);
        std::uint32_t const other =
            __shfl_xor_sync(detail::all_lanes, __byte_perm(low, high, send), 4);
        bytes[set][s][0] = (odd ? other : mine) ^ flip;  // low bytes are signed: - 128
        bytes[set][s][1] = (odd ? mine : other) ^ flip;
      }
    }
  }
};

/// Scores of a group's tokens, in units of log2, as lanes hold them.
/// shape    lane l: rows 4 * set + l % 4; at[set][2 t + s] is token 16 t + 8 s + l / 4
template <class P, int Sets>
struct score_tile {
  static constexpr int own_rows = Sets;
  float at[Sets][group_shape<P>::lane_tokens];

  __device__ __forceinline__ static int own_row(int lane, int i) { return 4 * i + lane % 4; }

  __device__ __forceinline__ score_tile(std::uint8_t const* key, query_record<P, Sets> const& q,
                                        int lane) {
    using shape = group_shape<P>;
    using codes = typename shape::key::codes;
    constexpr int tiles = shape::token_tiles, steps = shape::channel_steps;
    folded_query<P, Sets> const f(key, q, lane);
    detail::multiply_plane<typename codes::low_plane, tiles, steps, Sets, true>(
        key, lane, f.bytes, [&](int set, int tile, float x, float y) {
          float const unit = f.unit[set] * detail::unit_weight<typename codes::low_plane>(tile);
          at[set][2 * tile] = fmaf(x, unit, f.base[set]);
          at[set][2 * tile + 1] = fmaf(y, unit, f.base[set]);
        });
    if constexpr (codes::split) {
      detail::multiply_plane<typename codes::high_plane, tiles, steps, Sets, true>(
          key + codes::low_plane::num_words * 4, lane, f.bytes,
          [&](int set, int tile, float x, float y) {
            float const unit =
                f.unit[set] * (4.0f * detail::unit_weight<typename codes::high_plane>(tile));
            at[set][2 * tile] = fmaf(x, unit, at[set][2 * tile]);
            at[set][2 * tile + 1] = fmaf(y, unit, at[set][2 * tile + 1]);
          });
    }
    if constexpr (shape::has_factors) {
      std::uint8_t const* const own = key + shape::factors_at + lane / 4 * shape::lane_tokens * 2;
      OTT_UNROLL
      for (int i = 0; i < shape::lane_tokens; i += 4) {
        float4 const factor = detail::load_factors(own + i * 2);
        OTT_UNROLL
        for (int set = 0; set < Sets; ++set) {
          at[set][i] *= factor.x, at[set][i + 1] *= factor.y;
          at[set][i + 2] *= factor.z, at[set][i + 3] *= factor.w;
        }
      }
    }
  }

  /// Logits become cap * tanh(logit / cap). requires cap in units of log2
  __device__ __forceinline__ void soften(float cap) {
    float const inverse = 1.0f / cap;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      OTT_UNROLL
      for (int i = 0; i < group_shape<P>::lane_tokens; ++i) {
        at[set][i] = cap * arch::tanh(at[set][i] * inverse);
      }
    }
  }

  /// Takes tokens out: `hidden(set, token)` is asked for every score this lane holds.
  template <class Hidden>
  __device__ __forceinline__ void hide(int lane, Hidden const& hidden) {
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      OTT_UNROLL
      for (int i = 0; i < group_shape<P>::lane_tokens; ++i) {
        if (hidden(set, 8 * i + lane / 4)) at[set][i] = __int_as_float(0xff800000);
      }
    }
  }
};

}  // namespace ott
