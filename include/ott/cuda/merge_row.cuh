#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/split_plan.hpp>

namespace ott {

/// Lines of a row are summed in so many strands (line s in strand s % 4), and the strands in their
/// order, whoever sums them.
inline constexpr int merge_strands = 4;

/// One query row and query head, and where the lines of its splits are, groups' first.
template <class P>
struct merge_row {
  using rule = split_rule<P>;
  static constexpr int most_lines = rule::most_splits + rule::exact_splits;

  std::int64_t out = 0;   // where its output begins
  std::int64_t line = 0;  // of the first split
  int row = 0;            // of the batch
  int head = 0;
  int rows = 0;    // of its sequence; 0 where there is no such row, or its sequence has many
  int stride = 0;  // lines from one split's to the next one's
  int group_splits = 0;

  __device__ __forceinline__ bool used() const { return rows > 0; }
  __device__ __forceinline__ int splits() const { return group_splits + rule::exact_splits; }

  /// The `work`-th of sequences x most_rows x query heads. Where the plan is not strided, the lines
  /// are not known before the kernel ahead has ended: find_lines.
  __device__ __forceinline__ static merge_row find(attend_args<P> const& args,
                                                   split_plan const& plan, int most_rows,
                                                   int work) {
    merge_row r;
    int const own = work / args.num_q_heads % most_rows;
    int const sequence = work / (args.num_q_heads * most_rows);
    if (sequence >= args.batch.count) return r;
    int const first = args.batch.row_begin[sequence];
    int const slot = args.batch.slot[sequence];
    int const rows = args.batch.row_begin[sequence + 1] - first;
    if (own >= rows || !rule::few(rows, args.q_per_kv())) return r;
    r.row = first + own, r.head = work % args.num_q_heads, r.rows = rows;
    r.out = args.out.at(r.row, r.head);
    r.stride = plan.split_lines(rows) * plan.num_q_heads;
    r.line = std::int64_t{r.row} * plan.row_lines() * plan.num_q_heads + r.head;
    if (plan.strided()) {
      int const groups = args.layer.sequence(slot, 0).state->num_groups;
      r.group_splits = rule::group_splits(
          groups, rule::fitting_cut(groups, rows, args.q_per_kv(), plan.stride).run);
    }
    return r;
  }
  /// requires used(); the kernel ahead has ended; its plan is not strided
  __device__ __forceinline__ void find_lines(attend_args<P> const& args, split_plan const& plan,
                                             int most_rows, int work) {
    int const sequence = work / (args.num_q_heads * most_rows);
    int const begin = plan.line_begin[sequence], end = plan.line_begin[sequence + 1];
    line = std::int64_t{begin + row - args.batch.row_begin[sequence]} * plan.num_q_heads + head;
    group_splits = (end - begin) / rows - rule::exact_splits;
  }
};

/// The weights of a row's lines, by one warp: lane l has those of lines l, l + 32, ..
template <class P>
struct line_weights {
  static constexpr int each = ceil_div(merge_row<P>::most_lines, 32);
  static constexpr int size = 32 * each;
  float2 state[each];

  /// Where a line's weight lies: those of a strand are neighbours.
  __device__ __forceinline__ static int at(int line) {
    auto const n = static_cast<unsigned>(line);
    return static_cast<int>(n % merge_strands * (size / merge_strands) + n / merge_strands);
  }

  /// Loads the lines' states, all at once. from: of line `lane`; hop: from one line to the next, in
  /// states
  __device__ __forceinline__ void load(float2 const* from, int hop, int splits, int lane) {
    OTT_UNROLL
    for (int i = 0; i < each; ++i) state[i] = {0, 0};
    if (lane < splits) state[0] = *from;
    if (splits <= 32) return;  // most often
    OTT_UNROLL
    for (int i = 1; i < each; ++i) {
      if (lane + 32 * i < splits) state[i] = from[32 * i * hop];
    }
  }
  /// Leaves the weight of each line, zero past the last, and gives maximum and sum of all.
  /// shape    weights: [size]; those of 32 lines serve where there are no more
  __device__ __forceinline__ float2 weigh(float* weights, int splits, int lane) const {
    float top = state[0].y != 0 ? state[0].x : -infinity(), sum = 0;
    bool const more = splits > 32;
    if (more) {
      OTT_UNROLL
      for (int i = 1; i < each; ++i) {
        if (state[i].y != 0) top = fmaxf(top, state[i].x);
      }
    }
    top = arch::largest_of_warp(top);
    auto const one = [&](int i) {
      float const weight = state[i].y != 0 ? arch::exp2(state[i].x - top) : 0.0f;
      sum = fmaf(weight, state[i].y, sum);
      weights[at(lane + 32 * i)] = weight;
    };
    one(0);
    if (more) {
      OTT_UNROLL
      for (int i = 1; i < each; ++i) one(i);
    }
#pragma unroll 1
    for (int d = 1; d < 32; d *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    return {top, sum};
  }
};

/// Stores what belongs to a row beside its output.
template <class P>
__device__ __forceinline__ void store_lse(attend_args<P> const& args, merge_row<P> const& r,
                                          float2 state) {
  constexpr float ln_2 = 0.6931471805599453f;
  args.options.lse[std::int64_t{r.row} * args.num_q_heads + r.head] =
      state.y != 0 ? state.x * ln_2 + logf(state.y) : -infinity();
}

}  // namespace ott
