#pragma once

#include <cstdint>

#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/split_plan.hpp>

namespace ott {

inline constexpr int plan_threads = 256;

namespace detail {

/// What sequences take of the plan's arrays.
struct plan_share {
  int lines = 0;
  int work = 0;

  __device__ friend plan_share operator+(plan_share a, plan_share b) {
    return {a.lines + b.lines, a.work + b.work};
  }
};

/// The cut of one sequence, and what it takes. Not split: all groups are one run.
template <class P>
__device__ plan_share cut(attend_args<P> const& args, int sequence, int tile_rows, bool split,
                          std::int32_t& run) {
  int const rows = args.batch.row_begin[sequence + 1] - args.batch.row_begin[sequence];
  int const per_kv = args.q_per_kv();
  run = 1;
  if (!split_rule<P>::few(rows, per_kv)) return {};
  int const num_groups = args.layer.sequence(args.batch.slot[sequence], 0).state->num_groups;
  run = split ? split_rule<P>::run(num_groups, rows, per_kv) : max(num_groups, 1);
  int const splits = split_rule<P>::group_splits(num_groups, run);
  return {rows * (splits + split_rule<P>::exact_splits),
          ceil_div(rows * per_kv, tile_rows) * splits};
}

/// Sums of what is before each thread's share; [plan_threads] is the total.
__device__ inline void scan_shares(plan_share (&before)[plan_threads + 1], plan_share own) {
  int const thread = static_cast<int>(threadIdx.x);
  __syncthreads();
  before[thread + 1] = own;
  if (thread == 0) before[0] = {};
  __syncthreads();
  for (int reach = 1; reach < plan_threads; reach *= 2) {
    plan_share const other = thread >= reach ? before[thread + 1 - reach] : plan_share{};
    __syncthreads();
    before[thread + 1] = before[thread + 1] + other;
    __syncthreads();
  }
}

/// Deals lines and work to the sequences, by one block. Where the lines would not fit, none is
/// split.
template <class P>
__device__ void make_plan(attend_args<P> const& args, split_plan const& plan, int tile_rows) {
  __shared__ plan_share before[plan_threads + 1];
  int const thread = static_cast<int>(threadIdx.x);
  int const each = ceil_div(args.batch.count, plan_threads);
  int const begin = min(thread * each, args.batch.count);
  int const end = min(begin + each, args.batch.count);
  bool split = true;
  for (int attempt = 0; attempt < 2; ++attempt) {
    plan_share own;
    std::int32_t run;
    for (int i = begin; i < end; ++i) own = own + cut(args, i, tile_rows, split, run);
    scan_shares(before, own);
    if (before[plan_threads].lines <= plan.capacity) break;
    split = false;
  }
  plan_share at = before[thread];
  for (int i = begin; i < end; ++i) {
    plan.line_begin[i] = at.lines;
    plan.work_begin[i] = at.work;
    at = at + cut(args, i, tile_rows, split, plan.run[i]);
  }
  if (thread == 0) {
    plan.line_begin[args.batch.count] = before[plan_threads].lines;
    plan.work_begin[args.batch.count] = before[plan_threads].work;
  }
}

}  // namespace detail

/// Makes the plan.
/// shape    grid: 1; tile_rows: of the kernel that follows it
template <class P>
__global__ void __launch_bounds__(plan_threads)
    plan_kernel(attend_args<P> args, split_plan plan, int tile_rows) {
  detail::make_plan(args, plan, tile_rows);
}

}  // namespace ott
