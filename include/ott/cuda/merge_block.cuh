#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/hadamard_lanes.cuh>
#include <ott/cuda/merge_row.cuh>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/cuda/split_plan.hpp>

namespace ott {

/// Blocks of merge_block_kernel: a thread for each Width channels of each strand.
template <class P, int Width>
struct merge_block {
  static constexpr int strand_threads = round_up(ceil_div(P::head_dim, Width), 32);
  static constexpr int threads = merge_strands * strand_threads;
  static constexpr int warps = threads / 32;
  static constexpr int batch = 4;  // lines of a strand that are loaded at once
  static constexpr int round = merge_strands * batch;
  static constexpr int resident = threads <= 256 ? 4 : 1536 / threads;  // on a multiprocessor
};

/// Merges the lines of a query row and query head: a block a row, which has all its lines come to
/// shared memory at once, however many there are.
/// shape    grid: sequences x most_rows x query heads; shared memory: the most lines of a row,
///          rounded up to `round`
template <class P, int Width>
__global__ void __launch_bounds__(merge_block<P, Width>::threads, merge_block<P, Width>::resident)
    merge_block_kernel(__grid_constant__ attend_args<P> const args,
                       __grid_constant__ split_plan const plan, int most_rows) {
  using block = merge_block<P, Width>;
  using weights_type = line_weights<P>;
  constexpr int D = P::head_dim, strands = merge_strands, width = Width, quads = D / 4;
  constexpr int parts = P::value_rotation::identity ? 1 : 2;  // that are summed apart
  extern __shared__ __align__(128) float lines[];             // [splits][D]
  __shared__ __align__(16) float weights[weights_type::size];
  __shared__ __align__(16) float sums[parts][strands][D];
  __shared__ float2 state;
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  int const warp = __shfl_sync(0xffffffffu, thread / 32, 0);  // alike in all lanes
  int const work = static_cast<int>(blockIdx.x);
  merge_row<P> row = merge_row<P>::find(args, plan, most_rows, work);
  // What follows is made before the wait: code that runs once takes its time.
  float const* from;
  float2 const* own;
  int splits;
  auto const aim = [&] {
    from = arch::fixed(plan.out + (row.line + warp * row.stride) * D + 4 * lane);
    own = arch::fixed(reinterpret_cast<float2 const*>(plan.state) + row.line + lane * row.stride);
    splits = arch::fixed(row.used() ? row.splits() : 0);
  };
  aim();
  auto const hop = arch::fixed(block::warps * row.stride * D);
  arch::wait_for_kernel_ahead();
  if (work == 0 && thread == 0) *plan.ticket = 0;
  if (!row.used()) return;
  if (__builtin_expect(!plan.strided(), 0)) {
    row.find_lines(args, plan, most_rows, work);
    aim();
  }
  weights_type own_weights;
  bool const weighs = warp == block::warps - 1;  // which has the fewest lines to ask for
  if (weighs) own_weights.load(own, row.stride, splits, lane);
#pragma unroll 1
  for (int s = warp; s < splits; s += block::warps, from += hop) {
    OTT_UNROLL
    for (int q = 0; q < quads; q += 32) {
      arch::copy_async_16(q + lane < quads, lines + s * D + 4 * (q + lane), from + 4 * q);
    }
  }
  arch::commit_copies();
  if (weighs) {
    float2 const weighed = own_weights.weigh(weights, splits, lane);
    if (lane == 0) state = weighed;
  }
  arch::wait_copies<0>();
  __syncthreads();
  int const strand = thread / block::strand_threads;
  int const channel = thread % block::strand_threads * width;
  if (channel < D) {
    float sum[parts][width] = {};
#pragma unroll 1
    for (int first = strand; first < splits; first += block::round) {
      float4 const w4 = *reinterpret_cast<float4 const*>(weights + weights_type::at(first));
      float const w[block::batch] = {w4.x, w4.y, w4.z, w4.w};
      OTT_UNROLL
      for (int i = 0; i < block::batch; ++i) {
        int const s = first + i * strands;
        bool const seen = w[i] != 0;  // and not past the last
        bool const of_groups = parts == 1 || s < row.group_splits;
        OTT_UNROLL
        for (int c = 0; c < width; ++c) {
          float const x = lines[s * D + channel + c];
          float const with_groups = fmaf(w[i], x, sum[0][c]);
          float const with_exact = fmaf(w[i], x, sum[parts - 1][c]);
          if (seen && of_groups) sum[0][c] = with_groups;
          if (seen && !of_groups) sum[parts - 1][c] = with_exact;
        }
      }
    }
    OTT_UNROLL
    for (int i = 0; i < parts * width; ++i) {
      sums[i / width][strand][channel + i % width] = sum[i / width][i % width];
    }
  }
  __syncthreads();
  auto const joined = [&](int part, int c) {
    auto const& x = sums[part];
    return (x[0][c] + x[1][c]) + (x[2][c] + x[3][c]);
  };
  if constexpr (std::same_as<typename P::value_rotation, hadamard>) {
    if (warp == 0) {
      constexpr int each = 4 * ceil_div(quads, 32);  // channels
      int const first = min(each * lane, D - each);
      float x[each];
      OTT_UNROLL
      for (int c = 0; c < each; ++c) x[c] = joined(0, first + c);
      rotate_lanes<D>(x, lane, [](int n) { return n; });
      __syncwarp();
      if (each * lane < D) {
        OTT_UNROLL
        for (int c = 0; c < each; ++c) sums[0][0][first + c] = x[c];
      }
    }
    __syncthreads();
  } else if constexpr (parts == 2) {
    for (int c = thread; c < D; c += block::threads) sums[0][0][c] = joined(0, c);
    __syncthreads();
    rotate_rows<typename P::value_rotation, D>(sums[0][0], 1, D);
  }
  bool const seen = state.y != 0;
  float const norm = seen ? arch::reciprocal(state.y) : 0.0f;
  if (thread < D) {
    float const sum =
        parts == 1 ? joined(0, thread) : sums[0][0][thread] + joined(parts - 1, thread);
    args.out.store_at(row.out + thread, seen ? sum * norm : 0.0f);
  }
  if (args.options.lse != nullptr && thread == 0) store_lse(args, row, state);
}

}  // namespace ott
