#pragma once

#include <ott/cuda/arch/signal.cuh>
#include <ott/cuda/exact_steps.cuh>
#include <ott/cuda/group_exchange.cuh>
#include <ott/cuda/group_steps.cuh>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/half_ring.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/tuning.hpp>

namespace ott {

/// Shared memory of a block of the group kernel; the list of sequences follows.
template <class P, int Sets, int Warps, int Stages>
struct alignas(128) group_shared {
  using steps = group_steps<P, Sets>;
  static constexpr int stage_bytes = group_stage_bytes<P>();
  using rule = split_rule<P>;
  using work = work_shape<4 * Sets, Warps, steps::a_group, rule::exact_splits,
                          rule::exact_tokens / exact_tile<P>::tokens>;
  using ring = half_ring<Stages, stage_bytes>;

  alignas(128) unsigned char query[group_query_bytes<P, Sets>()];  // of groups, then of exact rows
  group_exchange<P, Sets, Warps> exchange;
  alignas(128) listed_split splits[2];  // this one and the next
  arch::signal known;                   // that the next one is there
  int pages[Warps];                     // of its warps' first steps
  alignas(128) unsigned char rings[Warps * ring::bytes];

  __device__ __forceinline__ auto& group_query() {
    static_assert(sizeof(typename steps::query) <= sizeof(query));
    return *reinterpret_cast<typename steps::query*>(query);
  }
  __device__ __forceinline__ auto& exact_query() {
    static_assert(sizeof(ott::exact_query<P, Sets>) <= sizeof(query));
    return *reinterpret_cast<ott::exact_query<P, Sets>*>(query);
  }
};

/// Where it lies: asked for where it is used, so that the compiler sees that it is shared memory.
template <class Shared>
__device__ __forceinline__ Shared& block_shared() {
  extern __shared__ __align__(128) unsigned char memory[];
  return *reinterpret_cast<Shared*>(memory);
}

}  // namespace ott
