#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/scalar.hpp>

// One instruction for the elements that a 32-bit word holds: two of half or bf16, one of float.
namespace ott::arch {

/// The lesser elements; NaN only where both are.
template <class T>
__device__ __forceinline__ std::uint32_t lesser_of(std::uint32_t a, std::uint32_t b) {
  std::uint32_t y;
  if constexpr (std::same_as<T, half>) {
    asm("min.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  } else if constexpr (std::same_as<T, bf16>) {
    asm("min.bf16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  } else {
    asm("min.f32 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  }
  return y;
}

/// The greater elements; NaN only where both are.
template <class T>
__device__ __forceinline__ std::uint32_t greater_of(std::uint32_t a, std::uint32_t b) {
  std::uint32_t y;
  if constexpr (std::same_as<T, half>) {
    asm("max.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  } else if constexpr (std::same_as<T, bf16>) {
    asm("max.bf16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  } else {
    asm("max.f32 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  }
  return y;
}

/// 0xffff in each half where a >= b, both fp16.
__device__ __forceinline__ std::uint32_t at_least(std::uint32_t a, std::uint32_t b) {
  std::uint32_t y;
  asm("set.ge.u32.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
  return y;
}

}  // namespace ott::arch
