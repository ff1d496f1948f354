#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/split_plan.hpp>

// Who works on what. Splits are fixed by their sequences, and dealt out one by one to blocks as
// they come: who works never shows in a result.
// Code that runs once a block costs some 5 ns an instruction: loops here are not unrolled.
namespace ott {

/// How blocks share work: rows of a tile, warps of a block, steps that a group takes one warp, and
/// splits of a sequence's exact rows, of so many steps at most.
template <int TileRows, int Warps, int GroupSteps, int ExactSplits, int ExactSteps>
struct work_shape {
  static constexpr int tile_rows = TileRows;
  static constexpr int warps = Warps;
  static constexpr int group_steps = GroupSteps;
  static constexpr int exact_splits = ExactSplits;
  static constexpr int exact_steps = ExactSteps;
  static constexpr int step_rows = 16;  // exact ones
};

/// What the sequences before one take of a list.
enum listed_before : int { splits_before, units_before, lines_before };
inline constexpr int num_listed_before = 3;

/// One sequence of the batch, as blocks keep it in shared memory.
struct listed_sequence {
  int before[num_listed_before];
  int steps;  // of all its groups; 0 where it has many rows
  int run;    // steps of a split
  int slot;
  int length;
  int first;  // row of the batch
};

/// One split, as its block keeps it in shared memory.
template <class Shape>
struct listed_split {
  int sequence;  // -1: none
  int tile;
  int kv_head;
  int step;                // its first: of the sequence's groups, or of its exact rows
  int last;                // one past
  int line;                // of its partial result
  int pages;               // where the sequence's pages begin in the page table; -1: exact rows
  int traced;              // exact rows: how many are traced
  int page[Shape::warps];  // of each warp's first step

  __device__ __forceinline__ bool exact() const { return pages < 0; }
};

/// The list of all splits, which every block makes alike. A tile of rows of one KV head of one
/// sequence is a unit; splits of groups come first, unit by unit, then those of exact rows.
/// shape    items: [count + 1], of which the last holds `before` and first alone
template <class Shape>
struct group_list {
  using split_type = listed_split<Shape>;
  listed_sequence* items;
  int count;

  static constexpr int bytes(int count) {
    return round_up((count + 1) * int{sizeof(listed_sequence)}, 128);
  }

  __device__ __forceinline__ group_list(unsigned char* memory, int size)
      : items(reinterpret_cast<listed_sequence*>(memory)), count(size) {}

  __device__ __forceinline__ listed_sequence const& operator[](int i) const { return items[i]; }
  __device__ __forceinline__ int rows(int i) const { return items[i + 1].first - items[i].first; }
  /// Position of a sequence's first token that is in no group.
  __device__ __forceinline__ int window_begin(int i, int group) const {
    return items[i].steps / Shape::group_steps * group;
  }
  __device__ __forceinline__ int group_splits(int i) const {
    return ceil_div(items[i].steps, items[i].run);
  }
  __device__ __forceinline__ int splits() const {
    return items[count].before[splits_before] +
           items[count].before[units_before] * Shape::exact_splits;
  }

  /// Fills the list; where the lines would not fit the workspace, none is split.
  /// requires every thread of the block calls; ends with a barrier
  template <class P>
  __device__ __forceinline__ void fill(attend_args<P> const& args, split_plan const& plan) const {
    int const thread = static_cast<int>(threadIdx.x);
#pragma unroll 1
    for (int most_splits = 0x7fffffff;; most_splits = 1) {
#pragma unroll 1
      for (int i = thread; i < count; i += 32 * Shape::warps) cut(args, i, most_splits);
      if (thread == 0) items[count].first = args.batch.row_begin[count];
      __syncthreads();
      if (thread / 32 < num_listed_before) sum_up(thread / 32, thread % 32);
      __syncthreads();
      if (most_splits == 1 || items[count].before[lines_before] <= plan.capacity) break;
      __syncthreads();
    }
  }

  /// The split of a number; none past the last. requires one whole warp calls
  template <class P>
  __device__ __forceinline__ void find(int number, layer_view<P> const& layer, int lane,
                                       split_type& split) const {
    int const of_groups = items[count].before[splits_before];
    bool const exact = number >= of_groups;
    int i = -1, at = exact ? number - of_groups : number, part = 0;
    if (number < splits()) {
      if (exact) part = at % Shape::exact_splits, at /= Shape::exact_splits;
      int const what = exact ? units_before : splits_before;
      i = 0;
#pragma unroll 1
      for (int high = count; high - i > 1;) {
        int const middle = (i + high) / 2;
        (items[middle].before[what] <= at ? i : high) = middle;
      }
      listed_sequence const& s = items[i];
      int const in_groups = group_splits(i);
      int unit = at - s.before[what];
      if (!exact) part = unit % in_groups, unit /= in_groups;
      int const tile = unit / layer.num_kv_heads, kv_head = unit - tile * layer.num_kv_heads;
      int step = part * s.run, last = min(step + s.run, s.steps);
      int pages = s.slot * layer.max_groups, traced = 0;
      if (exact) {
        if constexpr (traced_capacity<P> != 0) {
          traced = layer.sequence(s.slot, kv_head).state->num_traced;
        }
        int const window = s.length - window_begin(i, P::group);
        step = part * Shape::exact_steps, part += in_groups, pages = -1;
        last = min(step + Shape::exact_steps,
                   ceil_div(traced, Shape::step_rows) + ceil_div(window, Shape::step_rows));
      } else if (lane < Shape::warps && step + lane < last) {
        split.page[lane] = layer.page_table[pages + (step + lane) / Shape::group_steps];
      }
      split.tile = tile, split.kv_head = kv_head, split.step = step, split.last = last;
      split.line = s.before[lines_before] + part * rows(i);
      split.pages = pages, split.traced = traced;
    }
    split.sequence = i;
  }

 private:
  /// Item i, but that `before` of item i + 1 is what it takes.
  template <class P>
  __device__ __forceinline__ void cut(attend_args<P> const& args, int i, int most_splits) const {
    using rule = split_rule<P>;
    int const per_kv = args.q_per_kv();
    int const first = args.batch.row_begin[i], slot = args.batch.slot[i];
    int const rows = args.batch.row_begin[i + 1] - first;
    head_state<P> const& state = *args.layer.sequence(slot, 0).state;
    bool const few = rule::few(rows, per_kv);
    int const groups = few ? state.num_groups : 0;
    int const run = most_splits > 1 ? rule::run(groups, rows) : max(groups, 1);
    int const units = few ? ceil_div(rows * per_kv, Shape::tile_rows) * args.layer.num_kv_heads : 0;
    listed_sequence& item = items[i];
    item.steps = groups * Shape::group_steps, item.run = run * Shape::group_steps;
    item.slot = slot, item.length = state.length, item.first = first;
    int const splits = group_splits(i);
    int(&taken)[num_listed_before] = items[i + 1].before;
    taken[splits_before] = units * splits;
    taken[units_before] = units;
    taken[lines_before] = few ? rows * (splits + Shape::exact_splits) : 0;
  }
  /// requires a whole warp calls
  __device__ __forceinline__ void sum_up(int what, int lane) const {
    if (lane == 0) items[0].before[what] = 0;
    int before = 0;
#pragma unroll 1
    for (int first = 1; first <= count; first += 32) {
      int const i = first + lane;
      int sum = i <= count ? items[i].before[what] : 0;
#pragma unroll 1
      for (int reach = 1; reach < 32; reach *= 2) {
        int const other = __shfl_up_sync(0xffffffffu, sum, reach);
        if (lane >= reach) sum += other;
      }
      if (i <= count) items[i].before[what] = before + sum;
      before += __shfl_sync(0xffffffffu, sum, 31);
    }
  }
};

}  // namespace ott
