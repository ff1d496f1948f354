#pragma once

#include <cstdint>

#include <ott/core/exact.hpp>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/cuda/split_plan.hpp>

namespace ott {

inline constexpr int merge_threads = 128;

namespace detail {

/// Sums lines [begin, end) of one query row and head, weighted to `top`: strands of lines, then the
/// strands, always in the same order.
/// shape    result: [D] in shared memory; strands: [merge_threads * 4]
/// requires every thread of the block calls; ends with a barrier
template <class P, class LineOf>
__device__ void sum_lines(split_plan const& plan, int begin, int end, float top,
                          LineOf const& line_of, float* strands, float* result) {
  constexpr int lanes = P::head_dim / 4;
  constexpr int num_strands = merge_threads / lanes;
  int const thread = static_cast<int>(threadIdx.x);
  int const strand = thread / lanes;
  int const channel = thread % lanes * 4;
  if (strand < num_strands) {
    float4 sum{0, 0, 0, 0};
#pragma unroll 4
    for (int s = begin + strand; s < end; s += num_strands) {
      std::int64_t const line = line_of(s);
      float2 const state = *reinterpret_cast<float2 const*>(&plan.state[2 * line]);
      float const weight = state.y != 0.0f ? arch::exp2(state.x - top) : 0.0f;
      float4 const out = *reinterpret_cast<float4 const*>(&plan.out[line * P::head_dim + channel]);
      sum.x = fmaf(weight, out.x, sum.x);
      sum.y = fmaf(weight, out.y, sum.y);
      sum.z = fmaf(weight, out.z, sum.z);
      sum.w = fmaf(weight, out.w, sum.w);
    }
    *reinterpret_cast<float4*>(&strands[strand * P::head_dim + channel]) = sum;
  }
  __syncthreads();
  for (int c = thread; c < P::head_dim; c += merge_threads) {
    float sum = strands[c];
    for (int s = 1; s < num_strands; ++s) sum += strands[s * P::head_dim + c];
    result[c] = sum;
  }
  __syncthreads();
}

/// All threads' `x` combined, the same everywhere and in the same order on every run.
/// requires every thread of the block calls
template <class Combine>
__device__ float combine_threads(float x, Combine const& combine) {
  __shared__ float warps[merge_threads / 32];
  for (int d = 1; d < 32; d *= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, d));
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
  x = warps[0];
  for (int w = 1; w < merge_threads / 32; ++w) x = combine(x, warps[w]);
  return x;
}

}  // namespace detail

/// Merges the lines of one query row and query head: groups' first, rotated back, then the exact
/// ones.
/// shape    grid: sequences x most_rows x query heads
template <class P>
__global__ void __launch_bounds__(merge_threads)
    merge_kernel(attend_args<P> args, split_plan plan, int most_rows) {
  __shared__ __align__(16) float strands[merge_threads * 4];
  __shared__ float groups[P::head_dim];
  __shared__ float exact[P::head_dim];
  int const work = static_cast<int>(blockIdx.x);
  int const head = work % args.num_q_heads;
  int const row = work / args.num_q_heads % most_rows;
  int const sequence = work / (args.num_q_heads * most_rows);
  int const first = args.batch.row_begin[sequence];
  int const rows = args.batch.row_begin[sequence + 1] - first;
  if (row >= rows || !split_rule<P>::few(rows, args.q_per_kv())) return;
  int const splits = (plan.line_begin[sequence + 1] - plan.line_begin[sequence]) / rows;
  int const group_splits = splits - split_rule<P>::exact_splits;
  auto const line_of = [&](int split) { return plan.line(sequence, rows, split, row, head); };

  float top = -infinity();
  for (int s = static_cast<int>(threadIdx.x); s < splits; s += merge_threads) {
    std::int64_t const line = line_of(s);
    if (plan.state[2 * line + 1] != 0.0f) top = fmaxf(top, plan.state[2 * line]);
  }
  top = detail::combine_threads(top, [](float a, float b) { return fmaxf(a, b); });
  float sum = 0;
  for (int s = static_cast<int>(threadIdx.x); s < splits; s += merge_threads) {
    std::int64_t const line = line_of(s);
    float const part = plan.state[2 * line + 1];
    if (part != 0.0f) sum = fmaf(arch::exp2(plan.state[2 * line] - top), part, sum);
  }
  sum = detail::combine_threads(sum, [](float a, float b) { return a + b; });
  detail::sum_lines<P>(plan, 0, group_splits, top, line_of, strands, groups);
  rotate_rows<typename P::value_rotation, P::head_dim>(groups, 1, P::head_dim);
  detail::sum_lines<P>(plan, group_splits, splits, top, line_of, strands, exact);
  bool const seen = sum != 0.0f;
  float const norm = seen ? 1.0f / sum : 0.0f;
  for (int c = static_cast<int>(threadIdx.x); c < P::head_dim; c += merge_threads) {
    args.out.store(first + row, head, c, seen ? (groups[c] + exact[c]) * norm : 0.0f);
  }
  if (args.options.lse != nullptr && threadIdx.x == 0) {
    constexpr float ln_2 = 0.6931471805599453f;
    args.options.lse[std::int64_t{first + row} * args.num_q_heads + head] =
        seen ? top * ln_2 + logf(sum) : -infinity();
  }
}

}  // namespace ott
