#pragma once

#include <cstddef>

#include <ott/cuda/copy_ring.cuh>
#include <ott/cuda/exact_steps.cuh>
#include <ott/cuda/group_exchange.cuh>
#include <ott/cuda/group_steps.cuh>
#include <ott/cuda/score_handoff.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/tuning.hpp>

namespace ott {

/// Shared memory of a block of paired_kernel.
template <class P, int Sets, int Strands>
struct alignas(128) paired_shared {
  using groups = group_steps<P, Sets>;
  using exact = exact_steps<P, Sets>;
  using ring = copy_ring<2, group_stage_bytes<P>()>;
  static constexpr int strands = Strands;
  static constexpr std::size_t lane_bytes = sizeof(typename groups::scores);
  static_assert(sizeof(typename exact::scores) <= lane_bytes);

  alignas(128) unsigned char query[group_query_bytes<P, Sets>()];  // of groups, or of exact rows
  line_exchange<P, Sets, Strands> exchange;
  score_handoff<int{lane_bytes}, summed_rows<P, Sets>> handoffs[Strands];
  alignas(128) unsigned char rings[2][Strands][ring::bytes];  // of keys, of values

  __device__ __forceinline__ auto& group_query() {
    static_assert(sizeof(typename groups::query) <= sizeof(query));
    return *reinterpret_cast<typename groups::query*>(query);
  }
  __device__ __forceinline__ auto& exact_query() {
    static_assert(sizeof(typename exact::query) <= sizeof(query));
    return *reinterpret_cast<typename exact::query*>(query);
  }
};

}  // namespace ott
