#pragma once

#include <cstdint>

namespace ott::arch {

/// One warp tells the others of its block that something in shared memory is there (sm_80), again
/// and again: when all its lanes have called `raise` for the n-th time, `wait(n)` ends, n from 0.
struct signal {
  std::uint64_t state;

  /// requires one thread calls, and a barrier of the block before it is used
  __device__ __forceinline__ void prepare() {
    asm volatile("mbarrier.init.shared.b64 [%0], 32;" ::"r"(address()) : "memory");
  }
  /// What the caller has written before is seen by those who wait.
  __device__ __forceinline__ void raise() {
    asm volatile("{.reg .b64 was; mbarrier.arrive.shared.b64 was, [%0];}" ::"r"(address())
                 : "memory");
  }
  /// requires n is at most one below the number of the next `raise`
  __device__ __forceinline__ void wait(int n) const {
    std::uint32_t there = 0;
    while (there == 0) {
      asm volatile(
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900  // a warp that waits takes no issue slots
          "{.reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2;\n"
#else
          "{.reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2;\n"
#endif
          " selp.u32 %0, 1, 0, p;}"
          : "=r"(there)
          : "r"(address()), "r"(n % 2)
          : "memory");
    }
  }

 private:
  __device__ __forceinline__ std::uint32_t address() const {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(this));
  }
};

}  // namespace ott::arch
