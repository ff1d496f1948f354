#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/scalar.hpp>

// Matrix fragments from shared memory and back to 16 bits (sm_80); one warp, every lane calls.
namespace ott::arch {

/// Four 8 x 8 matrices of 16-bit elements; lane l brings the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(std::uint32_t (&x)[4], void const* row) {
  auto const at = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(at)
               : "memory");
}

/// The same, each matrix transposed.
__device__ __forceinline__ void load_transposed(std::uint32_t (&x)[4], void const* row) {
  auto const at = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(at)
               : "memory");
}

/// Two fp32 rounded to T (half or bf16) in one word, the first in the low half.
template <class T>
__device__ __forceinline__ std::uint32_t narrow(float low, float high) {
  std::uint32_t pair;
  if constexpr (std::same_as<T, half>) {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  }
  return pair;
}

}  // namespace ott::arch
