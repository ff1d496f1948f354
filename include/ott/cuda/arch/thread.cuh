#pragma once

namespace ott::arch {

/// This thread's number in its block, asked for anew: what follows from it is worked out again
/// where it is used, and takes no register until then.
__device__ __forceinline__ int thread_anew() {
  int number;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(number));
  return number;
}

}  // namespace ott::arch
