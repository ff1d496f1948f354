#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>

namespace ott {

/// IEEE binary16 as storage: bits and exact conversions, no CUDA header.
struct half {
  std::uint16_t bits;
  friend constexpr bool operator==(half, half) = default;
};

/// bfloat16 as storage.
struct bf16 {
  std::uint16_t bits;
  friend constexpr bool operator==(bf16, bf16) = default;
};

/// What keys, values, queries and parameters can be made of.
template <class T>
concept scalar = std::same_as<T, half> || std::same_as<T, bf16> || std::same_as<T, float>;

OTT_HD constexpr float to_float(float x) { return x; }

OTT_HD constexpr float to_float(bf16 x) {
  return bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

/// Exact. A NaN stays a NaN; its payload is not kept.
OTT_HD constexpr float to_float(half x) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
    return wide;
  }
#endif
  std::uint32_t const sign = static_cast<std::uint32_t>(x.bits & 0x8000u) << 16;
  std::uint32_t const magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {
    return bit_cast<float>(sign | (magnitude > 0x7c00u ? 0x7fffffffu : 0x7f800000u));
  }
  // The fp16 pattern read as fp32 is 2^112 too small, denormals included.
  float const scaled = bit_cast<float>(magnitude << 13) * 5192296858534827628530496329220096.0f;
  return bit_cast<float>(bit_cast<std::uint32_t>(scaled) | sign);
}

/// Rounds to nearest even; overflow gives infinity, NaN the canonical NaN.
template <scalar T>
OTT_HD constexpr T from_float(float x) {
  std::uint32_t const u = bit_cast<std::uint32_t>(x);
  if constexpr (std::same_as<T, float>) {
    return x;
  } else if constexpr (std::same_as<T, bf16>) {
    if ((u & 0x7fffffffu) > 0x7f800000u) return bf16{0x7fff};
    return bf16{static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
  } else {
#if defined(__CUDA_ARCH__)
    if (!__builtin_is_constant_evaluated()) {
      std::uint16_t narrow;
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow) : "f"(x));
      return half{narrow};
    }
#endif
    std::uint32_t const sign = (u >> 16) & 0x8000u;
    std::uint32_t const magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return half{0x7fff};
    if (magnitude >= 0x477ff000u) return half{static_cast<std::uint16_t>(sign | 0x7c00u)};
    if (magnitude < 0x38800000u) {  // below the smallest normal: let the adder round at 2^-24
      float const sum = exact_add(bit_cast<float>(magnitude), 0.5f);
      return half{static_cast<std::uint16_t>(sign | (bit_cast<std::uint32_t>(sum) & 0x7fffu))};
    }
    std::uint32_t const rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u;
    return half{static_cast<std::uint16_t>(sign | (rounded >> 13))};
  }
}

template <scalar T>
OTT_HD constexpr float largest_finite() {
  if constexpr (std::same_as<T, half>) return 65504.0f;
  if constexpr (std::same_as<T, bf16>) return bit_cast<float>(0x7f7f0000u);
  return bit_cast<float>(0x7f7fffffu);
}

/// How a parameter is stored: saturated to the largest finite value, -0 as +0, NaN as +0.
/// source   docs/method.md, flush step 3
template <scalar T>
OTT_HD constexpr T to_param(float x) {
  if (x != x) return from_float<T>(0.0f);
  float const reach = largest_finite<T>();
  T const stored = from_float<T>(x > reach ? reach : x < -reach ? -reach : x);
  return to_float(stored) == 0.0f ? from_float<T>(0.0f) : stored;
}

template <scalar T>
OTT_HD constexpr bool is_finite(T x) {
  return is_finite(to_float(x));
}

}  // namespace ott
