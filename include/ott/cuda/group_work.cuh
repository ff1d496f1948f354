#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/layout/head_state.hpp>

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

/// How one sequence is cut.
struct sequence_cut {
  int slot;
  int first;   // row of the batch
  int rows;    // query rows
  int length;  // tokens
  int groups;  // 0 where it has many rows
  group_cut cut;
  int splits;  // of groups, of each unit
  int units;   // tiles of rows times KV heads; 0 where it has many rows

  /// Splits of groups of all units: the j-th is split j / units of unit j % units.
  __device__ __forceinline__ int all_splits() const { return units * splits; }
};

/// What the sequences before one take of a list.
enum listed_before : int { splits_before, units_before, lines_before };
inline constexpr int num_listed_before = 3;

/// One sequence of the batch, as blocks keep it in shared memory.
struct listed_sequence {
  int before[num_listed_before];
  int taken;  // splits of groups that are taken first, without a list
  int slot;
  int first;
  int length;
  int groups;
  int run;  // this and the next are its group_cut, where lines fit
  std::uint8_t longer;
  std::uint8_t splits;  // of groups, of each unit, where lines fit
  std::uint16_t units;  // tiles of rows times KV heads; 0 where it has many rows
};

/// One split, as its block keeps it in shared memory.
struct listed_split {
  int rows;    // query rows of the sequence; 0: no split
  int first;   // row of the batch
  int length;  // tokens of the sequence
  int slot;
  int tile;
  int kv_head;
  int step;          // its first: of the sequence's groups, or of its exact rows
  int last;          // one past, where the sequence has so many exact rows
  int line;          // of its partial result for the sequence's first row
  int pages;         // where the sequence's pages begin in the page table; -1: exact rows
  int window_begin;  // exact rows: position of the first token that is in no group

  __device__ __forceinline__ bool none() const { return rows == 0; }
  __device__ __forceinline__ bool exact() const { return pages < 0; }
  __device__ __forceinline__ query_tile queries() const {
    return {first, rows, length, tile, kv_head};
  }
};

/// All splits of a call. Where the lines are known to fit (split_plan), a block's first split
/// follows from its number: blocks go round the sequences. All others are listed, groups' first,
/// sequence by sequence, then those of exact rows; every block makes the list alike.
/// shape    items: [count + 1], of which the last holds `before` and first alone
template <class P, class Shape>
struct group_list {
  using rule = split_rule<P>;
  attend_args<P> const& args;
  split_plan const& plan;
  listed_sequence* items;

  static constexpr int bytes(int count) {
    return round_up((count + 1) * int{sizeof(listed_sequence)}, 128);
  }

  /// How many are listed.
  __device__ __forceinline__ int size() const {
    auto const& all = items[args.batch.count].before;
    return all[splits_before] + all[units_before] * Shape::exact_splits;
  }
  __device__ __forceinline__ int lines_before_sequence(int i) const {
    return items[i].before[lines_before];
  }

  /// Reads the batch's sequences. requires every thread of the block calls; ends with a barrier
  __device__ __forceinline__ void read(int lane, int warp) const {
#pragma unroll 1
    for (int i = 32 * warp + lane; i <= args.batch.count; i += 32 * Shape::warps) read_one(i);
    __syncthreads();
  }
  /// The block's first split where it needs no list, else none; gives how many splits of groups the
  /// batch would have were all its sequences like this one. requires `read`
  __device__ __forceinline__ int find_first(listed_split& split) const {
    int const count = args.batch.count, block = static_cast<int>(blockIdx.x);
    int const j = arch::quotient(block, count), i = block - j * count;
    sequence_cut const c = cut(i);
    if (plan.strided() && j < c.all_splits()) {
      take_groups(c, j, 0, split);
    } else {
      split.rows = 0;
    }
    return count * c.all_splits();
  }
  /// Sums the list up; where the lines would not fit the workspace, none is split.
  /// requires every thread of the block calls, after `read`; ends with a barrier
  __device__ __forceinline__ void sum_up(int lane, int warp) const {
    int const count = args.batch.count;
#pragma unroll 1
    for (;;) {
#pragma unroll 1
      for (int what = warp; what < num_listed_before; what += Shape::warps) sum_up_one(what, lane);
      __syncthreads();
      if (plan.strided() || lines_before_sequence(count) <= plan.capacity || !is_cut()) break;
      __syncthreads();
      if (warp == 0) items[count].taken = 1;
      __syncthreads();
    }
  }
  /// The listed split of a number; none past the last.
  __device__ __forceinline__ void find(int number, listed_split& split) const {
    if (number >= size()) {
      split.rows = 0;
      return;
    }
    int const count = args.batch.count, of_groups = items[count].before[splits_before];
    bool const exact = number >= of_groups;
    int at = exact ? number - of_groups : number, part = 0, i = 0;
    if (exact) part = at % Shape::exact_splits, at /= Shape::exact_splits;
    int const what = exact ? units_before : splits_before;
#pragma unroll 1
    for (int high = count; high - i > 1;) {
      int const middle = (i + high) / 2;
      (items[middle].before[what] <= at ? i : high) = middle;
    }
    listed_sequence const& s = items[i];
    sequence_cut const c = cut(i);
    at -= s.before[what];
    if (exact) {
      take_rows(c, at, part, s.before[lines_before], split);
    } else {
      take_groups(c, s.taken + at, s.before[lines_before], split);
    }
  }

 private:
  /// Where lines do not fit, the list ends with a note that no sequence is cut.
  __device__ __forceinline__ bool is_cut() const { return items[args.batch.count].taken == 0; }
  __device__ __forceinline__ sequence_cut cut(int i) const {
    listed_sequence const& s = items[i];
    int const rows = items[i + 1].first - s.first;
    group_cut const own{is_cut() ? s.run : s.groups, s.longer};
    int const splits = is_cut() ? s.splits : min(s.groups, 1);
    return {s.slot, s.first, rows, s.length, s.groups, own, splits, s.units};
  }
  /// Reads sequence i, or one past the last.
  __device__ __forceinline__ void read_one(int i) const {
    listed_sequence& item = items[i];
    int const first = args.batch.row_begin[i];
    item.first = first, item.taken = 0;
    if (i == args.batch.count) return;
    int const rows = args.batch.row_begin[i + 1] - first, slot = args.batch.slot[i];
    head_state<P> const& state = *args.layer.sequence(slot, 0).state;
    int const length = state.length, groups = state.num_groups;  // on their way
    ask_for_page(i, slot, rows);
    int const per_kv = args.q_per_kv();
    bool const few = rule::few(rows, per_kv);
    int const tiles = few ? ceil_div(rows * per_kv, Shape::tile_rows) : 0;
    group_cut const own = rule::fitting_cut(groups, rows, per_kv, plan.stride);
    item.slot = slot, item.length = length, item.groups = few ? groups : 0, item.run = own.run;
    item.longer = static_cast<std::uint8_t>(own.longer);
    item.splits = few ? static_cast<std::uint8_t>(arch::quotient(groups + own.run - 1, own.run))
                      : std::uint8_t{0};
    item.units = static_cast<std::uint16_t>(tiles * args.layer.num_kv_heads);
  }
  /// Asks for the page number of the block's first step, if it is of sequence i and its splits have
  /// the likely length.
  __device__ __forceinline__ void ask_for_page(int i, int slot, int rows) const {
    int const count = args.batch.count, j = arch::quotient(static_cast<int>(blockIdx.x), count);
    int const tiles = rows > 0 ? ceil_div(rows * args.q_per_kv(), Shape::tile_rows) : 1;
    int const group = plan.likely.begin(arch::quotient(j, tiles * args.layer.num_kv_heads));
    if (i != static_cast<int>(blockIdx.x) - j * count || group >= args.layer.max_groups) return;
    arch::prefetch(args.layer.page_table + slot * args.layer.max_groups + group);
  }
  /// Splits of a sequence that blocks take first.
  __device__ __forceinline__ int first_taken(int i, sequence_cut const& c) const {
    int const blocks = static_cast<int>(gridDim.x);
    if (!plan.strided() || i >= blocks) return 0;
    return min(arch::quotient(blocks - 1 - i, args.batch.count) + 1, c.all_splits());
  }
  /// What sequence i takes of the list.
  __device__ __forceinline__ int share(int i, int what) const {
    sequence_cut const c = cut(i);
    if (what == units_before) return c.units;
    if (what == lines_before) return c.units == 0 ? 0 : c.rows * (c.splits + Shape::exact_splits);
    int const taken = first_taken(i, c);
    items[i].taken = taken;
    return c.all_splits() - taken;
  }
  /// requires a whole warp calls
  __device__ __forceinline__ void sum_up_one(int what, int lane) const {
    int const count = args.batch.count;
    int before = 0;
#pragma unroll 1
    for (int first = 0; first < count; first += 32) {
      int const i = first + lane, own = i < count ? share(i, what) : 0;
      int sum = own;
#pragma unroll 1
      for (int reach = 1; reach < 32; reach *= 2) {
        int const other = __shfl_up_sync(0xffffffffu, sum, reach);
        if (lane >= reach) sum += other;
      }
      if (i < count) items[i].before[what] = before + sum - own;
      before += __shfl_sync(0xffffffffu, sum, 31);
    }
    if (lane == 0) items[count].before[what] = before;
  }

  /// What all splits of one unit have alike; part: among the unit's lines; lines: of the list,
  /// before the sequence's.
  __device__ __forceinline__ void take(sequence_cut const& c, int unit, int part, int lines,
                                       listed_split& split) const {
    int const tile = arch::quotient(unit, args.layer.num_kv_heads);
    split.rows = c.rows, split.first = c.first, split.length = c.length, split.slot = c.slot;
    split.tile = tile, split.kv_head = unit - tile * args.layer.num_kv_heads;
    split.line = plan.first_line(lines, c.first, c.rows, part);
  }
  __device__ __forceinline__ void take_groups(sequence_cut const& c, int j, int lines,
                                              listed_split& split) const {
    int const part = arch::quotient(j, c.units);
    take(c, j - part * c.units, part, lines, split);
    split.step = c.cut.begin(part) * Shape::group_steps;
    split.last = min(c.cut.begin(part + 1), c.groups) * Shape::group_steps;
    split.pages = c.slot * args.layer.max_groups;
  }
  __device__ __forceinline__ void take_rows(sequence_cut const& c, int unit, int part, int lines,
                                            listed_split& split) const {
    take(c, unit, c.splits + part, lines, split);
    split.step = part * Shape::exact_steps, split.last = split.step + Shape::exact_steps;
    split.pages = -1, split.window_begin = c.groups * P::group;
  }
};

}  // namespace ott
