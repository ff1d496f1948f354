#pragma once

namespace ott::arch {

/// A barrier of some warps of a block, `Threads` in all. requires a Number from 1 to 15 of their
/// own
template <int Number, int Threads>
__device__ __forceinline__ void sync_part() {
  asm volatile("barrier.sync %0, %1;" ::"n"(Number), "n"(Threads) : "memory");
}

/// The same; is `own` true of any of their threads?
template <int Number, int Threads>
__device__ __forceinline__ bool any_of_part(bool own) {
  int any;
  asm volatile(
      "{.reg .pred p, q;\n setp.ne.s32 p, %1, 0;\n barrier.red.or.pred q, %2, %3, p;\n"
      " selp.s32 %0, 1, 0, q;}"
      : "=r"(any)
      : "r"(static_cast<int>(own)), "n"(Number), "n"(Threads)
      : "memory");
  return any != 0;
}

}  // namespace ott::arch
