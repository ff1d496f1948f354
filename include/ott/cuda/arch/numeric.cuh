#pragma once

#include <cstdint>

#include <ott/core/scalar.hpp>

// Single-instruction arithmetic of attention, which may be approximate; state code uses core/exact.
namespace ott::arch {

/// 2^x; 0 below -126.
__device__ __forceinline__ float exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// 1 / x to one unit in the last place. requires |x| >= 2^-126; 0 past 2^126
__device__ __forceinline__ float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// x / by, in a quarter of a division's instructions: the half keeps quotients away from where
/// rounding would matter. requires 0 <= x < 2^20, by > 0
__device__ __forceinline__ int quotient(int x, int by) {
  return static_cast<int>((static_cast<float>(x) + 0.5f) * reciprocal(static_cast<float>(by)));
}

/// The largest of a warp's numbers (sm_80). requires none is NaN; all lanes call
__device__ __forceinline__ float largest_of_warp(float x) {
  auto const ordered = [](int bits) {
    return bits ^ (bits >> 31 & 0x7fffffff);
  };  // its own inverse
  return __int_as_float(ordered(__reduce_max_sync(0xffffffffu, ordered(__float_as_int(x)))));
}

/// tanh to a few units of 2^-24, absolute.
__device__ __forceinline__ float tanh(float x) {
  return 1.0f - 2.0f * reciprocal(exp2(x * 2.8853900817779268f) + 1.0f);
}

/// Two T (half or bf16) of one word as fp32, low half first.
template <class T>
__device__ __forceinline__ float2 widen(std::uint32_t pair) {
  if constexpr (std::same_as<T, half>) {
    float2 wide;
    asm("{.reg .b16 lo, hi;\n mov.b32 {lo, hi}, %2;\n"
        " cvt.f32.f16 %0, lo;\n cvt.f32.f16 %1, hi;}"
        : "=f"(wide.x), "=f"(wide.y)
        : "r"(pair));
    return wide;
  } else {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)};
  }
}

}  // namespace ott::arch
