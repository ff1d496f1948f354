#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/hadamard_lanes.cuh>
#include <ott/cuda/merge_block.cuh>
#include <ott/cuda/merge_row.cuh>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/split_plan.hpp>

// The code of a short kernel takes longer to fetch than to run: loops that need not be are not
// unrolled, and what can be is worked out while the kernel ahead is at work.
namespace ott {

inline constexpr int merge_warps = 4;
inline constexpr int merge_threads = 32 * merge_warps;
/// Shared memory asked for, used or not, so that blocks, which start before the kernel ahead has
/// ended, lie on all multiprocessors: four on each, or one where there are so few.
inline constexpr std::size_t merge_spread_bytes[] = {37000, 90000};

namespace detail {

__device__ __forceinline__ void add(float4& sum, float w, float4 const& x) {
  sum.x = fmaf(w, x.x, sum.x), sum.y = fmaf(w, x.y, sum.y);
  sum.z = fmaf(w, x.z, sum.z), sum.w = fmaf(w, x.w, sum.w);
}
__device__ __forceinline__ float4 sum(float4 const (&x)[merge_strands]) {
  return {(x[0].x + x[1].x) + (x[2].x + x[3].x), (x[0].y + x[1].y) + (x[2].y + x[3].y),
          (x[0].z + x[1].z) + (x[2].z + x[3].z), (x[0].w + x[1].w) + (x[2].w + x[3].w)};
}

}  // namespace detail

/// Merges the lines of query rows and query heads, a warp a row, eight lines at a time: groups'
/// first, rotated back, then the exact ones.
/// shape    grid: sequences x most_rows x query heads, 4 of them a block
template <class P>
__global__ void __launch_bounds__(merge_threads)
    merge_kernel(__grid_constant__ attend_args<P> const args,
                 __grid_constant__ split_plan const plan, int most_rows) {
  constexpr int D = P::head_dim, quads = D / 4, lane_quads = ceil_div(quads, 32);
  constexpr int batch = 2 * merge_strands;                    // lines under way
  constexpr int parts = P::value_rotation::identity ? 1 : 2;  // that are summed apart
  static_assert(split_rule<P>::exact_splits > 0);             // a row has a line at least
  __shared__ float all_weights[merge_warps][line_weights<P>::size];
  __shared__ __align__(16) float groups[merge_warps][D];
  __shared__ __align__(16) float exact[parts == 2 ? merge_warps : 1][D];
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  int const warp = __shfl_sync(0xffffffffu, thread / 32, 0);  // alike in all lanes
  int const work = static_cast<int>(blockIdx.x) * merge_warps + warp;
  merge_row<P> row = merge_row<P>::find(args, plan, most_rows, work);
  float const* lines;
  float2 const* own;
  int splits;
  auto const aim = [&] {
    lines = arch::fixed(plan.out + row.line * D);
    own = arch::fixed(reinterpret_cast<float2 const*>(plan.state) + row.line + lane * row.stride);
    splits = arch::fixed(row.used() ? row.splits() : 0);
  };
  aim();
  arch::wait_for_kernel_ahead();
  if (blockIdx.x == 0 && thread == 0) *plan.ticket = 0;
  float2 state{};
  if (row.used()) {
    if (__builtin_expect(!plan.strided(), 0)) {
      row.find_lines(args, plan, most_rows, work);
      aim();
    }
    float* const weights = all_weights[warp];
    line_weights<P> own_weights;
    own_weights.load(own, row.stride, splits, lane);
#pragma unroll 1
    for (int i = 0; i < lane_quads; ++i) {
      int const quad = min(i * 32 + lane, quads - 1);
      float4 sums[parts][merge_strands] = {};
#pragma unroll 1
      for (int first = 0; first < splits; first += batch) {
        float4 x[batch];
        float const* const from = lines + first * row.stride * D + 4 * quad;
        int const last = splits - 1 - first;
        OTT_UNROLL
        for (int n = 0; n < batch; ++n) {
          x[n] = *reinterpret_cast<float4 const*>(from + min(n, last) * (row.stride * D));
        }
        if (i == 0 && first == 0) {
          state = own_weights.weigh(weights, splits, lane);
          __syncwarp();
        }
        OTT_UNROLL
        for (int n = 0; n < batch; ++n) {
          float const w = weights[line_weights<P>::at(first + n)];
          if (w == 0) continue;  // not among them, or nothing seen
          if (parts == 1 || first + n < row.group_splits) {
            detail::add(sums[0][n % merge_strands], w, x[n]);
          } else {
            detail::add(sums[parts - 1][n % merge_strands], w, x[n]);
          }
        }
      }
      *reinterpret_cast<float4*>(groups[warp] + 4 * quad) = detail::sum(sums[0]);
      if (parts == 2) {
        *reinterpret_cast<float4*>(exact[warp] + 4 * quad) = detail::sum(sums[parts - 1]);
      }
    }
  }
  if constexpr (std::same_as<typename P::value_rotation, hadamard>) {
    constexpr int each = 4 * lane_quads;  // channels
    __syncwarp();
    int const first = min(each * lane, D - each);
    float x[each];
    OTT_UNROLL
    for (int c = 0; c < each; ++c) x[c] = groups[warp][first + c];
    rotate_lanes<D>(x, lane, [](int n) { return n; });
    __syncwarp();
    if (each * lane < D) {
      OTT_UNROLL
      for (int c = 0; c < each; ++c) groups[warp][first + c] = x[c];
    }
  } else if constexpr (parts == 2) {
    __syncthreads();
    rotate_rows<typename P::value_rotation, D>(groups[0], merge_warps, D);
  }
  __syncwarp();
  if (!row.used()) return;
  bool const seen = state.y != 0;
  float const norm = seen ? arch::reciprocal(state.y) : 0.0f;
  for (int c = lane; c < D; c += 32) {
    float const sum = parts == 1 ? groups[warp][c] : groups[warp][c] + exact[warp][c];
    args.out.store_at(row.out + c, seen ? sum * norm : 0.0f);
  }
  if (args.options.lse != nullptr && lane == 0) store_lse(args, row, state);
}

/// Merges what group_kernel or split_kernel have left. Capturable.
/// shape    most_rows, most_groups: of a sequence with few rows
template <class P>
void launch_merge(attend_args<P> const& args, split_plan const& plan, int most_rows,
                  int most_groups, bool overlaps, cuda_stream s) {
  std::int64_t const rows = std::int64_t{args.batch.count} * most_rows * args.num_q_heads;
  std::int64_t const places = device_attribute(cudaDevAttrMultiProcessorCount);
  auto const spread = [&](std::int64_t blocks) {
    return overlaps && has_clusters() ? merge_spread_bytes[blocks <= places ? 1 : 0] : 0;
  };
  // A warp loads a row's lines eight at a time: a block does better where there are more, unless so
  // many rows keep all multiprocessors busy that it would only repeat what is done once a row.
  constexpr int at_once = 2 * merge_strands;
  constexpr std::size_t most_bytes = std::size_t{80} * 1024;  // that every GPU's blocks can have
  int const lines = split_rule<P>::row_lines(most_groups, args.q_per_kv());
  int const most_lines = plan.strided() ? plan.stride : merge_row<P>::most_lines;
  std::size_t const bytes =
      static_cast<std::size_t>(round_up(most_lines, merge_block<P, 2>::round)) * P::head_dim * 4;
  bool const by_warps = lines <= at_once || (rows > 4 * places && lines <= 2 * at_once + 3);
  if (by_warps || bytes > most_bytes) {
    std::int64_t const blocks = (rows + merge_warps - 1) / merge_warps;
    launch("ott: merge_kernel", merge_kernel<P>, {blocks, merge_threads, spread(blocks), overlaps},
           s, args, plan, most_rows);
  } else {
    auto const start = [&](auto* kernel, int threads) {
      std::size_t const room = spread(rows) > bytes ? spread(rows) : bytes;
      launch("ott: merge_block_kernel", kernel, {rows, threads, room, overlaps}, s, args, plan,
             most_rows);
    };
    if (rows <= places) {
      start(merge_block_kernel<P, 2>, merge_block<P, 2>::threads);
    } else {
      start(merge_block_kernel<P, 4>, merge_block<P, 4>::threads);
    }
  }
}

}  // namespace ott
