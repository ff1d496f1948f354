#pragma once

// Barriers of a part of a block that not every warp waits at.
namespace ott::arch {

/// Counts this warp in and goes on; what it wrote before is seen by those who wait.
/// requires Id in 1 .. 15; as many threads arrive or wait as `Threads` says, a multiple of 32
template <int Id, int Threads>
__device__ __forceinline__ void arrive_barrier() {
  asm volatile("bar.arrive %0, %1;" ::"n"(Id), "n"(Threads) : "memory");
}

/// Counts this warp in and waits for the others.
template <int Id, int Threads>
__device__ __forceinline__ void wait_barrier() {
  asm volatile("bar.sync %0, %1;" ::"n"(Id), "n"(Threads) : "memory");
}

}  // namespace ott::arch
