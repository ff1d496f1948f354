#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <ott/core/error.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_shared.cuh>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/split_loop.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/tuning.hpp>

// Attention of few query rows. Every block takes splits, of groups and of exact rows, until there
// are none.
namespace ott {

/// requires Sets == 1 for up to 4 query heads a KV head, else 2; has_group_steps<P>
template <class P, int Sets, class Tuning = default_group_tuning<P, Sets>>
__global__ void __launch_bounds__(32 * Tuning::get().warps, Tuning::get().blocks)
    group_kernel(__grid_constant__ attend_args<P> const args,
                 __grid_constant__ split_plan const plan) {
  constexpr group_tuning tuning = Tuning::get();
  using shared_type = group_shared<P, Sets, tuning.warps, tuning.stages>;
  using list_type = group_list<P, typename shared_type::work>;
  arch::wait_for_kernel_ahead();
  arch::let_next_kernel_start();  // merge_kernel, which waits for the end of this one
  if (threadIdx.x == 0) {  // what the first split will ask for: address translation takes its time
    arch::prefetch(args.layer.page_table);
    arch::prefetch(args.q.data);
  }
  auto& shared = block_shared<shared_type>();
  list_type const list{args, plan, reinterpret_cast<listed_sequence*>(&shared + 1)};
  int const thread = static_cast<int>(threadIdx.x);
  split_loop<P, Sets, shared_type>{args, plan, shared, list, thread % 32, thread / 32}.run();
}

/// Attention of the call's sequences with few rows. Capturable.
template <class P>
void launch_groups(attend_args<P> const& args, split_plan const& plan, cuda_stream s) {
  auto const start = [&]<int Sets>(std::integral_constant<int, Sets>) {
    constexpr group_tuning tuning = default_group_tuning<P, Sets>::get();
    static_assert(tuning.blocks > 0, "ott: a group of this policy does not fit shared memory");
    using shared_type = group_shared<P, Sets, tuning.warps, tuning.stages>;
    static_assert(int{sizeof(shared_type)} == group_shared_bytes<P, Sets>(tuning));
    int const bytes = int{sizeof(shared_type)} +
                      group_list<P, typename shared_type::work>::bytes(args.batch.count);
    int const most = device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    if (bytes > most) {
      fail(errc::capacity, "ott: group_kernel", "sequences of a batch",
           std::to_string(args.batch.count),
           "at most " + std::to_string(
                            (most - int{sizeof(shared_type)}) / int{sizeof(listed_sequence)} - 1));
    }
    int const room = default_group_tuning<P, Sets>::shared_bytes / (bytes + 1024);
    int const resident = room < 1 ? 1 : room < tuning.blocks ? room : tuning.blocks;
    std::int64_t blocks = std::int64_t{resident} * device_attribute(cudaDevAttrMultiProcessorCount);
    split_plan own = plan;
    if (plan.strided()) {  // blocks without work would only be in the others' way
      std::int64_t const tiles = ceil_div(args.q_per_kv(), 4 * Sets);
      std::int64_t const splits =
          args.batch.num_rows * tiles * args.layer.num_kv_heads * plan.stride;
      own.in_turns = Sets == 1 && 2 * splits > blocks;  // eight rows wait for arithmetic more
      blocks = splits < blocks ? splits : blocks;
    }
    launch("ott: group_kernel", group_kernel<P, Sets>,
           {blocks, 32 * tuning.warps, static_cast<std::size_t>(bytes), true}, s, args, own);
  };
  if (args.q_per_kv() <= 4) {
    start(std::integral_constant<int, 1>{});
  } else {
    start(std::integral_constant<int, 2>{});
  }
}

}  // namespace ott
