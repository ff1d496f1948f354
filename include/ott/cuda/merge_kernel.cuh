#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/hadamard_lanes.cuh>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/split_plan.hpp>

// The code of a short kernel takes longer to fetch than to run: loops that need not be are not
// unrolled.
namespace ott {

inline constexpr int merge_warps = 4;
inline constexpr int merge_threads = 32 * merge_warps;
/// Shared memory asked for and not used, so that blocks, which start before the kernel ahead has
/// ended, lie on all multiprocessors: four on each, or one where there are so few.
inline constexpr std::size_t merge_spread_bytes[] = {37000, 90000};

namespace detail {

__device__ __forceinline__ float4 sum(float4 const (&x)[1]) { return x[0]; }
__device__ __forceinline__ float4 sum(float4 const (&x)[4]) {
  return {(x[0].x + x[1].x) + (x[2].x + x[3].x), (x[0].y + x[1].y) + (x[2].y + x[3].y),
          (x[0].z + x[1].z) + (x[2].z + x[3].z), (x[0].w + x[1].w) + (x[2].w + x[3].w)};
}

/// What a thread works out while the kernel ahead is at work, and keeps in memory: from registers
/// the compiler would work it out later.
struct merge_place {
  std::int64_t line;  // of the first split
  std::int64_t out;   // of the row and head
  int stride;
  int group_splits;
};

/// One query row and query head, and the lines of its splits: groups' first. Lines are summed in
/// four strands (line s in strand s % 4), and the strands in their order, whoever sums them.
template <class P>
struct merge_row {
  static constexpr int strands = 4;
  /// Loads of lines under way, of so many strands: a multiple of them.
  OTT_HD static constexpr int loads(int own_strands) { return own_strands == 1 ? 9 : 8; }
  static constexpr int quads = P::head_dim / 4;
  static constexpr int lane_quads = ceil_div(quads, 32);
  static constexpr int most_splits = split_rule<P>::most_splits + split_rule<P>::exact_splits;

  split_plan const& plan;
  std::int64_t line;  // of the first split
  int stride;         // lines from one split's to the next one's
  int splits;
  int group_splits;
  float* weights;  // [round_up(most_splits, 32)]

  /// The state of line `lane`: most often there are no others than a warp's.
  __device__ __forceinline__ float2 own_state(int lane) const {
    return lane < splits ? state_of(lane) : float2{0, 0};
  }
  /// Maximum and sum of the lines' states, and the lines' weights, by one warp.
  __device__ __forceinline__ float2 weigh(int lane, float2 own) const {
    float top = own.y != 0 ? own.x : -infinity(), sum = 0;
#pragma unroll 1
    for (int s = lane + 32; s < splits; s += 32) {
      float2 const state = state_of(s);
      if (state.y != 0) top = fmaxf(top, state.x);
    }
    top = arch::largest_of_warp(top);
#pragma unroll 1
    for (int s = lane; s < splits; s += 32) {
      float2 const state = s < 32 ? own : state_of(s);
      float const weight = state.y != 0 ? arch::exp2(state.x - top) : 0.0f;
      sum = fmaf(weight, state.y, sum);
      weights[s] = weight;
    }
#pragma unroll 1
    for (int d = 1; d < 32; d *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    __syncwarp();
    return {top, sum};
  }
  /// Adds four channels of all lines, weighted, to their strands: every stride-th line from strand
  /// `own` on. `weigh` makes the weights when the first lines are under way.
  /// requires quad < quads; Own strands: all, or one; Parts: 2 where groups' lines are summed apart
  template <int Parts, int Own, class Weigh>
  __device__ __forceinline__ void add(float4 (&sums)[Parts][Own], int own, int quad,
                                      Weigh const& weigh) const {
    constexpr int step = strands / Own, batch = loads(Own);
#pragma unroll 1
    for (int first = own; first < splits; first += batch * step) {
      float4 x[batch];
      auto const* const from = reinterpret_cast<unsigned char const*>(
          plan.out + ((line + first * stride) * P::head_dim + 4 * quad));
      int const last = (splits - 1 - first) / step;
      std::uint32_t const hop = step * stride * (P::head_dim * 4);  // bytes
      OTT_UNROLL
      for (int i = 0; i < batch; ++i) {
        x[i] = *reinterpret_cast<float4 const*>(from + min(i, last) * hop);
      }
      weigh();
      OTT_UNROLL
      for (int i = 0; i < batch; ++i) {
        int const s = first + i * step;
        float const w = s < splits ? weights[s] : 0.0f;
        if (w == 0) continue;  // not among them, or nothing seen
        if (Parts == 1 || s < group_splits) {
          add(sums[0][i % Own], w, x[i]);
        } else {
          add(sums[Parts - 1][i % Own], w, x[i]);
        }
      }
    }
    weigh();
  }

 private:
  __device__ __forceinline__ static void add(float4& sum, float w, float4 const& x) {
    sum.x = fmaf(w, x.x, sum.x), sum.y = fmaf(w, x.y, sum.y);
    sum.z = fmaf(w, x.z, sum.z), sum.w = fmaf(w, x.w, sum.w);
  }
  __device__ __forceinline__ float2 state_of(int split) const {
    return *reinterpret_cast<float2 const*>(plan.state + 2 * (line + split * stride));
  }
};

}  // namespace detail

/// Merges the lines of query rows and query heads: groups' first, rotated back, then the exact
/// ones.
/// shape    RowWarps: that share a row, 4 or 1; grid: sequences x most_rows x query heads, 4 /
///          RowWarps of them a block
template <class P, int RowWarps>
__global__ void __launch_bounds__(merge_threads)
    merge_kernel(attend_args<P> args, split_plan plan, int most_rows) {
  using row_type = detail::merge_row<P>;
  constexpr int D = P::head_dim, own_strands = row_type::strands / RowWarps;
  constexpr int block_rows = merge_warps / RowWarps;
  constexpr int parts = P::value_rotation::identity ? 1 : 2;  // that are summed apart
  static_assert(row_type::strands == merge_warps);
  __shared__ float weights[merge_warps][round_up(row_type::most_splits, 32)];
  __shared__ __align__(16) float groups[merge_warps][D];
  __shared__ detail::merge_place places[merge_threads];
  __shared__ __align__(16) float exact[parts == 2 ? merge_warps : 1][D];
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  int const own_row = warp / RowWarps, strand = warp % RowWarps;
  int const work = static_cast<int>(blockIdx.x) * block_rows + own_row;
  int const head = work % args.num_q_heads, row = work / args.num_q_heads % most_rows;
  int const sequence = work / (args.num_q_heads * most_rows);
  bool used = sequence < args.batch.count;
  int const first = used ? args.batch.row_begin[sequence] : 0;
  int const slot = used ? args.batch.slot[sequence] : 0;
  int const rows = used ? args.batch.row_begin[sequence + 1] - first : 0;
  used = row < rows && split_rule<P>::few(rows, args.q_per_kv());
  auto const line_of = [&](int begin) {
    int const line = plan.first_line(begin, first, rows, 0) + row * plan.row_lines();
    return std::int64_t{line} * plan.num_q_heads + head;
  };
  int group_splits = 0;
  if (used && plan.strided()) {
    int const groups = args.layer.sequence(slot, 0).state->num_groups;
    group_splits =
        split_rule<P>::group_splits(groups, split_rule<P>::run(groups, rows, args.q_per_kv()));
  }
  std::int64_t line = line_of(0);
  std::int64_t const place = args.out.at(first + row, head);
  int stride = plan.split_lines(rows) * plan.num_q_heads;
  places[thread] = {line, place, stride, group_splits};  // worked out before the wait
  arch::wait_for_kernel_ahead();
  if (blockIdx.x == 0 && thread == 0) *plan.ticket = 0;
  float2 state{};
  if (used) {
    line = places[thread].line, stride = places[thread].stride;
    group_splits = places[thread].group_splits;
    if (__builtin_expect(!plan.strided(), 0)) {
      int const begin = plan.line_begin[sequence], end = plan.line_begin[sequence + 1];
      line = line_of(begin), group_splits = (end - begin) / rows - split_rule<P>::exact_splits;
    }
    int const splits = group_splits + split_rule<P>::exact_splits;
    row_type const lines{plan, line, stride, splits, group_splits, weights[warp]};
    bool weighed = false;
    float2 const own = lines.own_state(lane);
    auto const weigh = [&] {
      if (!weighed) state = lines.weigh(lane, own), weighed = true;
    };
#pragma unroll 1
    for (int i = 0; i < row_type::lane_quads; ++i) {
      int const quad = min(i * 32 + lane, row_type::quads - 1);
      float4 sums[parts][own_strands] = {};
      lines.add(sums, strand, quad, weigh);
      *reinterpret_cast<float4*>(groups[warp] + 4 * quad) = detail::sum(sums[0]);
      if (parts == 2) {
        *reinterpret_cast<float4*>(exact[warp] + 4 * quad) = detail::sum(sums[parts - 1]);
      }
    }
  }
  // What warps have summed of a row, its strands in their order.
  auto const joined = [&](float const(*sums)[D], int r, int c) {
    if constexpr (RowWarps == 1) return sums[r][c];
    return (sums[0][c] + sums[1][c]) + (sums[2][c] + sums[3][c]);
  };
  constexpr bool in_registers = std::same_as<typename P::value_rotation, hadamard>;
  auto const row_is_there = [] {  // what the warps of a row, or of all rows, have written
    if constexpr (RowWarps > 1 || (parts == 2 && !in_registers)) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  };
  row_is_there();
  if constexpr (in_registers) {
    constexpr int each = 4 * row_type::lane_quads;  // channels
    int const own = min(each * lane, D - each);
    if (strand == 0) {
      float x[each];
      OTT_UNROLL
      for (int c = 0; c < each; ++c) x[c] = joined(groups, own_row, own + c);
      rotate_lanes<D>(x, lane, [](int n) { return n; });
      __syncwarp();
      if (each * lane < D) {
        OTT_UNROLL
        for (int c = 0; c < each; ++c) groups[own_row][own + c] = x[c];
      }
    }
    row_is_there();
  } else if constexpr (parts == 2) {
    if constexpr (RowWarps > 1) {
      for (int c = thread; c < D; c += merge_threads) groups[0][c] = joined(groups, 0, c);
      __syncthreads();
    }
    rotate_rows<typename P::value_rotation, D>(groups[0], block_rows, D);
  }
  if (!used) return;
  bool const seen = state.y != 0;
  float const norm = seen ? arch::reciprocal(state.y) : 0.0f;
  for (int c = strand * 32 + lane; c < D; c += 32 * RowWarps) {
    float const sum =
        parts == 1 ? joined(groups, own_row, c) : groups[own_row][c] + joined(exact, own_row, c);
    args.out.store_at(places[thread].out + c, seen ? sum * norm : 0.0f);
  }
  if (args.options.lse != nullptr && strand == 0 && lane == 0) {
    constexpr float ln_2 = 0.6931471805599453f;
    args.options.lse[std::int64_t{first + row} * args.num_q_heads + head] =
        seen ? state.x * ln_2 + logf(state.y) : -infinity();
  }
}

/// Merges what group_kernel or split_kernel have left. Capturable.
/// shape    most_rows, most_groups: of a sequence with few rows
template <class P>
void launch_merge(attend_args<P> const& args, split_plan const& plan, int most_rows,
                  int most_groups, bool overlaps, cuda_stream s) {
  std::int64_t const rows = std::int64_t{args.batch.count} * most_rows * args.num_q_heads;
  std::int64_t const places = device_attribute(cudaDevAttrMultiProcessorCount);
  auto const start = [&](auto* kernel, int block_rows) {
    std::int64_t const blocks = (rows + block_rows - 1) / block_rows;
    std::size_t const spread =
        overlaps && has_clusters() ? merge_spread_bytes[blocks <= places ? 1 : 0] : 0;
    launch("ott: merge_kernel", kernel, {blocks, merge_threads, spread, overlaps}, s, args, plan,
           most_rows);
  };
  // A warp loads a row's lines eight at a time: four do better where there are more, unless so many
  // rows keep all multiprocessors busy that they would only repeat what is done once a row.
  constexpr int once = detail::merge_row<P>::loads(merge_warps);
  int const lines = split_rule<P>::row_lines(most_groups, args.q_per_kv());
  if (lines <= once || (rows > 4 * places && lines <= 2 * once + 1)) {
    start(merge_kernel<P, 1>, merge_warps);
  } else {
    start(merge_kernel<P, merge_warps>, 1);
  }
}

}  // namespace ott
