#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/plane_sums.cuh>
#include <ott/cuda/wide_query.hpp>

namespace ott {

/// Eight query rows folded with one group's key parameters.
/// shape    lane l: bytes of row l / 4; unit, base of rows 2 (l % 4) + i
template <class P>
struct wide_folded {
  std::uint32_t bytes[2][group_shape<P>::channel_steps][2];  // high, low
  float unit[2];                                             // of the fixed point
  float base[2];                                             // q . zero

  __device__ __forceinline__ wide_folded(std::uint8_t const* key, wide_query<P> const& q,
                                         int lane) {
    using shape = group_shape<P>;
    using param = typename P::param;
    constexpr int steps = shape::channel_steps;
    std::uint8_t const* const own = key + lane % 4 * 16 * steps;
    find_base(own + (shape::has_key_zero ? shape::key_zeros_at : shape::key_scales_at), q, lane);
    float x[steps][8], most[4] = {1e-30f, 0, 0, 0};
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      uint4 const w = detail::load_shared<uint4>(own + shape::key_scales_at + s * 16);
      std::uint32_t const scales[4] = {w.x, w.y, w.z, w.w};
      OTT_UNROLL
      for (int h = 0; h < 2; ++h) {
        float4 const row = *reinterpret_cast<float4 const*>(q.exact[s][h][lane]);
        float2 const a = arch::widen<param>(scales[2 * h]);
        float2 const b = arch::widen<param>(scales[2 * h + 1]);
        x[s][4 * h] = row.x * a.x, x[s][4 * h + 1] = row.y * a.y;
        x[s][4 * h + 2] = row.z * b.x, x[s][4 * h + 3] = row.w * b.y;
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) most[i] = fmaxf(most[i], fabsf(x[s][4 * h + i]));
      }
    }
    float reach = fmaxf(fmaxf(most[0], most[1]), fmaxf(most[2], most[3]));
    reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, 1));
    reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, 2));
    float const scale = shape::key_reach * arch::reciprocal(reach);
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      unit[i] =
          __shfl_sync(detail::all_lanes, reach, 8 * (lane % 4) + 4 * i) * (1.0f / shape::key_reach);
    }
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      OTT_UNROLL
      for (int h = 0; h < 2; ++h) {
        // 1.5 * 2^23 leaves the rounded integer in the low bits; + 128 makes the high byte round.
        std::uint32_t u[4];
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) {
          u[i] = __float_as_uint(fmaf(x[s][4 * h + i], scale, 12583040.0f));
        }
        std::uint32_t const first = __byte_perm(u[0], u[1], 0x5410);
        std::uint32_t const last = __byte_perm(u[2], u[3], 0x5410);
        bytes[0][s][h] = __byte_perm(first, last, 0x7531);
        bytes[1][s][h] = __byte_perm(first, last, 0x6420) ^ 0x80808080u;  // signed: - 128
      }
    }
  }

 private:
  __device__ __forceinline__ void find_base(std::uint8_t const* zeros, wide_query<P> const& q,
                                            int lane) {
    using shape = group_shape<P>;
    // A's rows below 8 serve one half of the channels, the rows above the other: no register moves.
    float low[4] = {}, high[4] = {};
    OTT_UNROLL
    for (int s = 0; s < shape::channel_steps; ++s) {
      uint4 const a = detail::load_shared<uint4>(zeros + s * 16);
      OTT_UNROLL
      for (int part = 0; part < 2; ++part) {
        uint4 const b = *reinterpret_cast<uint4 const*>(q.split[part][s][lane]);
        arch::mma_f16<typename P::param>(low, a, b.x, b.y);
        arch::mma_f16<typename P::param>(high, a, b.z, b.w);
      }
    }
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      base[i] = low[i] + high[2 + i];
      if constexpr (!shape::has_key_zero) base[i] *= shape::key_zero_of_unit;
    }
  }
};

}  // namespace ott
