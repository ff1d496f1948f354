#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_shared.cuh>
#include <ott/cuda/group_steps.cuh>
#include <ott/cuda/paired_shared.cuh>
#include <ott/cuda/paired_split.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/tuning.hpp>

// Attention of one query row a sequence where there are too few splits to fill the device: each is
// a block of its own, known by its number, and goes as fast as one can.
namespace ott {

/// Blocks of paired_kernel: warps two by two.
template <class P, int Sets>
struct paired_shape {
  using tuning = default_group_tuning<P, Sets>;
  static constexpr int strands = tuning::get().warps;
  using shared = paired_shared<P, Sets, strands>;
  static constexpr int threads = 64 * strands;
  static constexpr int room = tuning::shared_bytes / (int{sizeof(shared)} + 1024);
  static constexpr int blocks = room < 2 ? 1 : 2;  // on a multiprocessor
  static constexpr int most_run = 32 * strands;    // groups of a split: a lane holds a page
};

/// Has this policy steps that one warp can make scores of and another sum with?
template <class P, int Sets>
constexpr bool has_pairs() {
  if constexpr (has_group_steps<P>) {
    return detail::step_kind_of<P, Sets> != detail::step_kind::exact &&
           default_group_tuning<P, Sets>::get().warps == 4 && paired_shape<P, Sets>::room > 0;
  }
  return false;
}

/// shape    grid: [KV heads, sequences, plan.stride]
/// requires has_pairs<P, Sets>(); up to 4 * Sets query heads a KV head; one row a sequence;
///          plan.strided()
template <class P, int Sets>
__global__ void __launch_bounds__(paired_shape<P, Sets>::threads, paired_shape<P, Sets>::blocks)
    paired_kernel(__grid_constant__ attend_args<P> const args,
                  __grid_constant__ split_plan const plan) {
  using shape = paired_shape<P, Sets>;
  arch::wait_for_kernel_ahead();
  arch::let_next_kernel_start();  // merge_kernel, which waits for the end of this one
  auto& shared = block_shared<typename shape::shared>();
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  bool const makes_scores = warp < shape::strands;
  paired_split<P, Sets, typename shape::shared> const split{
      args, plan, shared, lane, warp % shape::strands, makes_scores};
  split.run(static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x),
            static_cast<int>(blockIdx.z), plan.stride - split_rule<P>::exact_splits);
}

/// Attention of the call's sequences by paired_kernel, if it can and takes less time than
/// group_kernel; gives whether. Capturable.
/// source   docs/performance-log.md: faster where all blocks are resident at once
template <class P>
bool launch_pairs(attend_args<P> const& args, split_plan const& plan, int max_groups,
                  cuda_stream s) {
  auto const start = [&]<int Sets>(std::integral_constant<int, Sets>) {
    if constexpr (has_pairs<P, Sets>()) {
      using shape = paired_shape<P, Sets>;
      batch_view const& batch = args.batch;
      bool const one_row = batch.max_rows == 1 && batch.num_rows == batch.count;
      if (!plan.strided() || !one_row || args.q_per_kv() > 4 * Sets) return false;
      if (split_rule<P>::run(max_groups, 1, args.q_per_kv()) > shape::most_run) return false;
      std::int64_t const splits = std::int64_t{batch.count} * args.layer.num_kv_heads * plan.stride;
      std::int64_t const places =
          std::int64_t{shape::blocks} * device_attribute(cudaDevAttrMultiProcessorCount);
      if (splits > places) return false;
      launch_shape how{args.layer.num_kv_heads, shape::threads, sizeof(typename shape::shared),
                       true};
      how.grid_y = batch.count, how.grid_z = plan.stride;
      launch("ott: paired_kernel", paired_kernel<P, Sets>, how, s, args, plan);
      return true;
    } else {
      return false;
    }
  };
  return args.q_per_kv() <= 4 ? start(std::integral_constant<int, 1>{})
                              : start(std::integral_constant<int, 2>{});
}

}  // namespace ott
