#pragma once

#include <cstdint>

// Copies from global to shared memory that a thread starts and later waits for (sm_80).
namespace ott::arch {

inline constexpr std::uint64_t leaves_first = 0x12f0000000000000;

/// Starts a copy of 16 bytes past L1 where `wanted`; no branch. requires addresses multiples of 16
/// shape    To, From: bytes past the addresses, which cost nothing (From: -2048 to 2047)
template <int To = 0, int From = 0>
__device__ __forceinline__ void copy_async_16(bool wanted, void* shared, void const* global) {
  auto const to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile(
      "{.reg .pred p;\n setp.ne.s32 p, %2, 0;\n"
      " @p cp.async.cg.shared.global [%0 + %3], [%1 + %4], 16;}" ::"r"(to),
      "l"(global), "r"(static_cast<int>(wanted)), "n"(To), "n"(From)
      : "memory");
}

/// The same where `wanted`; elsewhere 16 bytes of zero. requires `global` may be read or not
/// `wanted`
template <int To = 0, int From = 0>
__device__ __forceinline__ void copy_async_16_or_zero(bool wanted, void* shared,
                                                      void const* global) {
  auto const to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0 + %3], [%1 + %4], 16, %2;" ::"r"(to), "l"(global),
               "r"(wanted ? 16 : 0), "n"(To), "n"(From)
               : "memory");
}

/// The same of what nobody reads again before it would have left the L2 anyway: it goes first
/// (sm_90), so that what is read again stays.
/// source   the policy is what createpolicy.fractional.L2::evict_first gives, as a constant
template <int To = 0, int From = 0>
__device__ __forceinline__ void copy_once_16(bool wanted, void* shared, void const* global) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  auto const to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile(
      "{.reg .pred p;\n setp.ne.s32 p, %2, 0;\n"
      " @p cp.async.cg.shared.global.L2::cache_hint [%0 + %3], [%1 + %4], 16, %5;}" ::"r"(to),
      "l"(global), "r"(static_cast<int>(wanted)), "n"(To), "n"(From), "l"(leaves_first)
      : "memory");
#else
  copy_async_16<To, From>(wanted, shared, global);
#endif
}
template <int To = 0, int From = 0>
__device__ __forceinline__ void copy_once_16_or_zero(bool wanted, void* shared,
                                                     void const* global) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  auto const to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile(
      "cp.async.cg.shared.global.L2::cache_hint [%0 + %3], [%1 + %4], 16, %2, %5;" ::"r"(to),
      "l"(global), "r"(wanted ? 16 : 0), "n"(To), "n"(From), "l"(leaves_first)
      : "memory");
#else
  copy_async_16_or_zero<To, From>(wanted, shared, global);
#endif
}

/// Asks for a line of memory to be brought into L2.
__device__ __forceinline__ void prefetch(void const* global) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
}

/// The same of many bytes (sm_90; elsewhere nothing). requires both multiples of 16
__device__ __forceinline__ void prefetch_bytes(void const* global, std::uint32_t bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(global), "r"(bytes));
#endif
}

/// An address as one value, which the compiler does not take apart again.
template <class T>
__device__ __forceinline__ T* fixed(T* address) {
  asm volatile("" : "+l"(address));
  return address;
}

/// A number of which nothing is known before this is reached: what is made of it is made later.
__device__ __forceinline__ int fixed(int number) {
  asm volatile("" : "+r"(number));
  return number;
}

/// Closes the batch of copies this thread has started; an empty batch counts too.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Waits until at most `Newest` batches of this thread are under way.
template <int Newest>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
}

}  // namespace ott::arch
