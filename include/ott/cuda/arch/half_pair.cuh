#pragma once

#include <cstdint>

// Two fp16 of one word at a time (sm_80); each result rounded once.
namespace ott::arch {

/// a + b.
__device__ __forceinline__ std::uint32_t add_pair(std::uint32_t a, std::uint32_t b) {
  std::uint32_t sum;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
  return sum;
}

/// |a| + |b|.
__device__ __forceinline__ std::uint32_t add_sizes(std::uint32_t a, std::uint32_t b) {
  std::uint32_t sum;
  asm("{.reg .b32 x, y;\n abs.f16x2 x, %1;\n abs.f16x2 y, %2;\n add.rn.f16x2 %0, x, y;}"
      : "=r"(sum)
      : "r"(a), "r"(b));
  return sum;
}

/// a * b.
__device__ __forceinline__ std::uint32_t multiply_pair(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(product) : "r"(a), "r"(b));
  return product;
}

/// a * b + c.
__device__ __forceinline__ std::uint32_t fma_pair(std::uint32_t a, std::uint32_t b,
                                                  std::uint32_t c) {
  std::uint32_t sum;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
}

/// The low (high) half of a word in both halves.
__device__ __forceinline__ std::uint32_t twice_low(std::uint32_t a) {
  std::uint32_t y;
  asm("{.reg .b16 lo, hi;\n mov.b32 {lo, hi}, %1;\n mov.b32 %0, {lo, lo};}" : "=r"(y) : "r"(a));
  return y;
}
__device__ __forceinline__ std::uint32_t twice_high(std::uint32_t a) {
  std::uint32_t y;
  asm("{.reg .b16 lo, hi;\n mov.b32 {lo, hi}, %1;\n mov.b32 %0, {hi, hi};}" : "=r"(y) : "r"(a));
  return y;
}

}  // namespace ott::arch
