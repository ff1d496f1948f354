#pragma once

#include <cstdint>

// A word of global memory by which a block tells others that something is there (sm_70).
namespace ott::arch {

/// What the block has written before is seen by those who wait.
/// requires one thread calls, behind a barrier of the block
__device__ __forceinline__ void raise_flag(std::int32_t* flag) {
  asm volatile("fence.acq_rel.gpu;\n st.relaxed.gpu.global.s32 [%0], 1;" ::"l"(flag) : "memory");
}

/// Waits until the flag is up. requires who raises it has started; a barrier of the block follows
/// where other threads read what is there
__device__ __forceinline__ void wait_for_flag(std::int32_t const* flag) {
  std::int32_t up = 0;
  while (up == 0) {
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(up) : "l"(flag) : "memory");
  }
}

}  // namespace ott::arch
