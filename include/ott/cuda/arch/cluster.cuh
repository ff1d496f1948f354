#pragma once

// Blocks that start together and wait for each other (sm_90; elsewhere every block is alone).
namespace ott::arch {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
inline constexpr bool has_clusters = true;
#else
inline constexpr bool has_clusters = false;
#endif

/// Number of this block in its cluster.
__device__ __forceinline__ int cluster_rank() {
  int rank = 0;
  if constexpr (has_clusters) asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

/// What this thread has read and used, others may write once all have said so. Tells nothing of its
/// own writes. requires whole warps call
__device__ __forceinline__ void arrive_at_cluster() {
  if constexpr (has_clusters) {
    asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
  }
}

/// Waits until every thread of the cluster has arrived, or has ended. requires this one has
__device__ __forceinline__ void wait_for_cluster() {
  if constexpr (has_clusters) {
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
  }
}

}  // namespace ott::arch
