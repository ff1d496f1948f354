#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/half_pair.cuh>
#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/half_codes.cuh>
#include <ott/cuda/plane_sums.cuh>
#include <ott/cuda/row_lanes.cuh>
#include <ott/cuda/wide_query.hpp>

namespace ott {

/// Eight query rows folded with one group's key parameters.
/// shape    lane l: pairs of row l / 4, as operand registers want them; unit, base of rows
///          2 (l % 4) + i
template <class P>
struct wide_folded {
  using shape = group_shape<P>;
  static constexpr int steps = shape::channel_steps;

  std::uint32_t pairs[steps][4];
  float unit[2];  // of sums of codes times pairs
  float base[2];  // q . zero

  __device__ __forceinline__ wide_folded(std::uint8_t const* key, wide_query<P> const& q,
                                         int lane) {
    std::uint8_t const* const own = key + lane % 4 * 16 * steps;
    float low[4] = {}, high[4] = {};
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      uint4 const b = *reinterpret_cast<uint4 const*>(q.eight[0][s][lane].items);
      add_base(own, s, b, low, high);
      uint4 const w = detail::load_shared<uint4>(own + shape::key_scales_at + s * 16);
      pairs[s][0] = arch::multiply_pair(b.x, w.x), pairs[s][1] = arch::multiply_pair(b.y, w.z);
      pairs[s][2] = arch::multiply_pair(b.z, w.y), pairs[s][3] = arch::multiply_pair(b.w, w.w);
    }
    float2 const own_unit = *reinterpret_cast<float2 const*>(q.unit + 2 * (lane % 4));
    unit[0] = own_unit.x, unit[1] = own_unit.y;
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) base[i] = base_of(low, high, i) * unit[i];
    if (__builtin_expect(!fits(key + shape::key_scales_at, lane), 0))
      take(fold_precisely(own, q, lane));
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) unit[i] *= 1 / detail::half_step;
  }

 private:
  /// Adds q . zero of eight channels. A's rows below 8 serve one half of them, the rows above the
  /// other: no register moves.
  __device__ __forceinline__ static void add_base(std::uint8_t const* own, int s, uint4 b,
                                                  float (&low)[4], float (&high)[4]) {
    constexpr int zeros_at = shape::has_key_zero ? shape::key_zeros_at : shape::key_scales_at;
    uint4 const a = detail::load_shared<uint4>(own + zeros_at + s * 16);
    arch::mma_f16<half>(low, a, b.x, b.y);
    arch::mma_f16<half>(high, a, b.z, b.w);
  }
  __device__ __forceinline__ static float base_of(float const (&low)[4], float const (&high)[4],
                                                  int i) {
    return (low[i] + high[2 + i]) * (shape::has_key_zero ? 1.0f : shape::key_zero_of_unit);
  }

  /// Do all scales lie where products with them fit fp16 (wide_query)? The same for the whole warp.
  __device__ __forceinline__ static bool fits(std::uint8_t const* scales, int lane) {
    constexpr int chunks = P::head_dim / 8;  // at most 32
    constexpr std::uint32_t least = half_of_two_to(wide_query<P>::least_exponent);
    constexpr std::uint32_t end = half_of_two_to(wide_query<P>::least_exponent + 16);
    std::uint32_t low = least, high = least;
    if (chunks == 32 || lane < chunks) {
      uint4 const w = detail::load_shared<uint4>(scales + lane * 16);
      low = __vminu2(__vimin3_u16x2(w.x, w.y, w.z), w.w);
      high = __vmaxu2(__vimax3_u16x2(w.x, w.y, w.z), w.w);
      low = __vminu2(low, low >> 16 | low << 16) & 0xffffu;
      high = __vmaxu2(high, high >> 16) & 0xffffu;
    }
    return !__any_sync(detail::all_lanes, low < least || high >= end);
  }
  /// The bits of a power of two. requires -24 <= exponent <= 15
  OTT_HD static constexpr std::uint32_t half_of_two_to(int exponent) {
    return exponent < -14 ? 1u << (24 + exponent) : static_cast<std::uint32_t>(15 + exponent) << 10;
  }

  /// What takes the fold's place where scales are very large, very small or far apart.
  struct precise_fold {
    std::uint32_t pairs[steps][4];
    float unit[2];  // in units of the row's
    float base[2];  // the same, what is to be added
  };
  __device__ __forceinline__ void take(precise_fold const& fold) {
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) pairs[s][i] = fold.pairs[s][i];
    }
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) base[i] += fold.base[i] * unit[i], unit[i] *= fold.unit[i];
  }
  /// In fp32, by all that is known of the queries, relative to each row's largest product. Out of
  /// the way: inline it costs every group 1 %.
  __device__ __noinline__ static precise_fold fold_precisely(std::uint8_t const* own,
                                                             wide_query<P> const& q, int lane) {
    precise_fold fold;
    float low[4] = {}, high[4] = {}, reach = 0x1p-40f;  // a row of zeros too has a unit
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      add_base(own, s, *reinterpret_cast<uint4 const*>(q.eight[1][s][lane].items), low, high);
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        float2 const x = product(own, q, lane, s, i);
        reach = fmaxf(reach, fmaxf(fabsf(x.x), fabsf(x.y)));
      }
    }
    reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, 1));
    reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, 2));
    constexpr float top = 0x1p14f;
    float const raise = top * arch::reciprocal(reach);
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        float2 const x = product(own, q, lane, s, i);
        fold.pairs[s][i] = arch::narrow<half>(x.x * raise, x.y * raise);
      }
    }
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      fold.base[i] = base_of(low, high, i) * wide_query<P>::rest_unit;
      fold.unit[i] = __shfl_sync(detail::all_lanes, reach, 8 * (lane % 4) + 4 * i) * (1 / top);
    }
    return fold;
  }
  /// Two channels of a row times their scales: operand register i of step s.
  __device__ __forceinline__ static float2 product(std::uint8_t const* own, wide_query<P> const& q,
                                                   int lane, int s, int i) {
    auto const word = [&](int part) {
      return reinterpret_cast<std::uint32_t const*>(q.eight[part][s][lane].items)[i];
    };
    int const pair = i % 2 * 2 + i / 2;  // wide_query::item, backwards
    float2 const scale = arch::widen<half>(
        detail::load_shared<std::uint32_t>(own + shape::key_scales_at + s * 16 + pair * 4));
    float2 const x = arch::widen<half>(word(0)), rest = arch::widen<half>(word(1));
    constexpr float unit_of_rest = wide_query<P>::rest_unit;
    return {fmaf(rest.x, unit_of_rest, x.x) * scale.x, fmaf(rest.y, unit_of_rest, x.y) * scale.y};
  }
};

}  // namespace ott
