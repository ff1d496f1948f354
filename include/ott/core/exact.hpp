#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>

#if defined(__FAST_MATH__)
#error \
    "ott: -ffast-math would change stored bits; compile what includes ott/core/exact.hpp without it"
#endif

// Arithmetic that no flag can change: every result is rounded once, to nearest even, and no
// multiply is fused with an add. All stored state is computed with these; attention need not
// (docs/numerics.md).
namespace ott {

namespace detail {

/// Keeps the compiler from contracting the product into a neighbouring add.
template <class T>
OTT_HD constexpr T uncontracted(T x) {
#if defined(__clang__) || defined(__CUDA_ARCH__)
  return x;
#elif defined(__GNUC__) && __GNUC__ >= 12 && !defined(__CUDACC__)
  return __builtin_assoc_barrier(x);
#else
  if (__builtin_is_constant_evaluated()) return x;
  T volatile kept = x;
  return kept;
#endif
}

}  // namespace detail

OTT_HD constexpr float exact_add(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __fadd_rn(a, b);
#endif
  return a + b;
}

OTT_HD constexpr float exact_sub(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __fsub_rn(a, b);
#endif
  return a - b;
}

OTT_HD constexpr float exact_mul(float a, float b) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __fmul_rn(a, b);
#endif
  return detail::uncontracted(a * b);
}

OTT_HD constexpr float exact_div(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __fdiv_rn(a, b);
#endif
  return a / b;
}

/// a * b + c. requires a * b needs no rounding: then it does not matter whether it gets one
OTT_HD constexpr float exact_product_add(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __fmaf_rn(a, b, c);
#endif
  return a * b + c;
}

OTT_HD constexpr double exact_add(double a, double b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __dadd_rn(a, b);
#endif
  return a + b;
}

OTT_HD constexpr double exact_mul(double a, double b) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __dmul_rn(a, b);
#endif
  return detail::uncontracted(a * b);
}

/// Square root, rounded once. A negative or NaN argument gives NaN.
OTT_HD constexpr float exact_sqrt(float x) {
  if (__builtin_is_constant_evaluated()) {
    if (!(x > 0.0f) || x == __builtin_huge_valf())
      return x == x && x >= 0.0f ? x : __builtin_nanf("");
    // Newton in double; a double root rounded to float is the rounded float root.
    double guess = x > 1.0f ? static_cast<double>(x) : 1.0;
    for (int i = 0; i < 200; ++i) guess = 0.5 * (guess + static_cast<double>(x) / guess);
    return static_cast<float>(guess);
  }
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(x);
#else
  return __builtin_sqrtf(x);
#endif
}

OTT_HD constexpr float exact_abs(float x) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return __builtin_fabsf(x);  // part of what uses it
#endif
  return bit_cast<float>(bit_cast<std::uint32_t>(x) & 0x7fffffffu);
}

/// The smaller value; a NaN in `x` leaves `best` as it is, so that the order of a scan is
/// immaterial.
OTT_HD constexpr float lesser(float best, float x) { return x < best ? x : best; }

/// The larger value; a NaN in `x` leaves `best` as it is.
OTT_HD constexpr float greater(float best, float x) { return x > best ? x : best; }

OTT_HD constexpr float infinity() { return __builtin_huge_valf(); }

OTT_HD constexpr bool is_finite(float x) {
  return (bit_cast<std::uint32_t>(x) & 0x7f800000u) != 0x7f800000u;
}

/// clamp(round to nearest even(x), 0, max_code); NaN gives 0.
/// requires 0 <= max_code < 2^22
OTT_HD constexpr int nearest_code(float x, int max_code) {
  if (!(x > 0.0f)) return 0;
  if (x >= static_cast<float>(max_code)) return max_code;
  // Adding 2^23 leaves no fraction bits: the sum is rounded to an integer, ties to even.
  return static_cast<int>(bit_cast<std::uint32_t>(exact_add(x, 8388608.0f)) & 0x7fffffu);
}

}  // namespace ott
