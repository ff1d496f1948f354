#pragma once

#include <cstdint>

#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/cuda/split_plan.hpp>

namespace ott {

inline constexpr int rotate_threads = 256;

namespace detail {

/// Rotates the queries of one KV head of one sequence with few rows.
template <class P>
__device__ void rotate_queries(attend_args<P> const& args, split_plan const& plan, int sequence,
                               int kv_head) {
  constexpr int most_rows = 16;  // at a time
  __shared__ float rows[most_rows * P::head_dim];
  int const first = args.batch.row_begin[sequence];
  int const num_rows = args.batch.row_begin[sequence + 1] - first;
  int const per_kv = args.q_per_kv();
  if (!split_rule<P>::few(num_rows, per_kv)) return;
  for (int tile = 0; tile < num_rows * per_kv; tile += most_rows) {
    int const count = min(most_rows, num_rows * per_kv - tile);
    auto const row_of = [&](int r) { return first + (tile + r) / per_kv; };
    auto const head_of = [&](int r) { return kv_head * per_kv + (tile + r) % per_kv; };
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < count * P::head_dim; i += blockDim.x) {
      int const r = i / P::head_dim;
      rows[i] = args.q.load(row_of(r), head_of(r), i % P::head_dim);
    }
    __syncthreads();
    rotate_rows<typename P::key_rotation, P::head_dim>(rows, count, P::head_dim);
    for (int i = static_cast<int>(threadIdx.x); i < count * P::head_dim; i += blockDim.x) {
      int const r = i / P::head_dim;
      std::int64_t const line = std::int64_t{row_of(r)} * args.num_q_heads + head_of(r);
      plan.rotated[line * P::head_dim + i % P::head_dim] = rows[i];
    }
  }
}

}  // namespace detail

/// Rotates the queries of sequences with few rows into plan.rotated.
/// shape    grid: sequences x KV heads
template <class P>
__global__ void __launch_bounds__(rotate_threads)
    rotate_kernel(attend_args<P> args, split_plan plan) {
  arch::wait_for_kernel_ahead();  // the next kernel reads at once what those before have written
  arch::let_next_kernel_start();
  int const work = static_cast<int>(blockIdx.x);
  detail::rotate_queries(args, plan, work / args.layer.num_kv_heads,
                         work % args.layer.num_kv_heads);
}

}  // namespace ott
