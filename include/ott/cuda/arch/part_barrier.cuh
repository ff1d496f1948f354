#pragma once

namespace ott::arch {

/// A barrier of some warps of a block, `Threads` in all. requires a Number from 1 to 15 of their
/// own
template <int Number, int Threads>
__device__ __forceinline__ void sync_part() {
  asm volatile("barrier.sync %0, %1;" ::"n"(Number), "n"(Threads) : "memory");
}

}  // namespace ott::arch
