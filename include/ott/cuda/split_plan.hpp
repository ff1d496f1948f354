#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/layer_view.hpp>
#include <ott/policy/cache_policy.hpp>

// How attention of few query rows is cut into splits, and where each leaves its partial result. A
// sequence with many rows is not cut: its tiles of rows fill the device, and need no workspace.
namespace ott {

/// How the groups of one sequence are cut: `longer` splits of `run` groups, then splits of `less`
/// fewer.
struct group_cut {
  int run;
  int longer;
  static constexpr int less = 4;  // strands of a split: lengths count in these

  OTT_HD constexpr int begin(int split) const {
    int const after = split - longer;
    return split * run - (after > 0 ? after * less : 0);
  }
};

/// The cut of one sequence: it follows from the sequence alone, so that results do too.
template <class P>
struct split_rule {
  static constexpr int most_rows = 32;  // query rows times query heads a KV head; more is "many"
  /// Of a split: where it reads little, its beginning and its end weigh more, where tiles have
  /// eight rows twice as much, and where a code lies in two planes, fewer blocks are resident. A
  /// multiple of the strands.
  /// source   docs/performance-log.md
  OTT_HD static constexpr int least_groups(int q_per_kv) {
    constexpr int narrow = groups_of(96 * 1024);
    constexpr int wide = exact_groups ? narrow : groups_of(192 * 1024);
    return q_per_kv > 4 ? wide : narrow;
  }
  static constexpr int most_splits = 128;   // of one query row
  static constexpr int exact_tokens = 256;  // of a split, in tiles of 16
  static constexpr int exact_splits =
      ceil_div(round_up(window_capacity<P>, 16) + round_up(traced_capacity<P>, 16), exact_tokens);

  OTT_HD static constexpr bool few(int rows, int q_per_kv) {
    return rows == 1 || (rows > 1 && rows * q_per_kv <= most_rows);
  }
  /// The cut of a sequence with so many groups and query rows, a row not in more than most_splits.
  OTT_HD static constexpr group_cut cut(int num_groups, int rows, int q_per_kv) {
    int const even = ceil_div(num_groups * rows, most_splits), few = pieces(num_groups, q_per_kv);
    int const all = num_groups > 0 ? ceil_div(num_groups, group_cut::less) : 1;
    int const each = few == 1   ? all  // divisions by constants
                     : few == 2 ? ceil_div(all, 2)
                     : few == 3 ? ceil_div(all, 3)
                                : ceil_div(all, 6);
    int const run = few == 0 ? least_groups(q_per_kv) : each * group_cut::less;
    if (even > run) return {even, most_splits};
    return {run, few == 6 ? all - few * (each - 1) : most_splits};
  }
  /// Groups of the longest split.
  OTT_HD static constexpr int run(int num_groups, int rows, int q_per_kv) {
    return cut(num_groups, rows, q_per_kv).run;
  }
  /// The same where a row has `stride` lines (0: as many as it needs): none where a sequence has
  /// more groups than its call was told of, so that they would not fit.
  OTT_HD static constexpr group_cut fitting_cut(int num_groups, int rows, int q_per_kv,
                                                int stride) {
    group_cut const own = cut(num_groups, rows, q_per_kv);
    if (stride == 0 || own.run * (stride - exact_splits) >= num_groups) return own;
    return {num_groups, most_splits};
  }
  OTT_HD static constexpr int group_splits(int num_groups, int run) {
    return ceil_div(num_groups, run);
  }
  /// Lines that a row of a sequence with up to so many groups needs at most.
  OTT_HD static constexpr int row_lines(int max_groups, int q_per_kv) {
    int const cut = pieces(max_groups, q_per_kv);
    int const splits = cut > 0 ? cut : ceil_div(max_groups, least_groups(q_per_kv));
    return exact_splits + (splits < 1 ? 1 : splits < most_splits ? splits : most_splits);
  }
  /// Most lines (below, but for the query heads) that calls of this size need.
  static constexpr std::size_t most_lines(std::size_t rows, std::size_t num_groups) {
    std::size_t const by_groups = num_groups * most_rows / least_groups(1);
    std::size_t const by_rows = rows * most_splits;
    return rows * (1 + exact_splits) + (by_groups < by_rows ? by_groups : by_rows);
  }

 private:
  static constexpr bool exact_groups = exact_keys<P> && exact_values<P>;
  /// In how many splits a short sequence is cut, which then are alike but for what strands leave to
  /// the last one; 0: it is not short. With three, and one of its exact rows, or with six where
  /// tiles have eight rows, 64 heads fill a device. Of six the first are longer: of the blocks of a
  /// multiprocessor those that come last are slowest.
  OTT_HD static constexpr int pieces(int num_groups, int q_per_kv) {
    int const least = least_groups(q_per_kv);
    if (num_groups <= 2 * least) return num_groups <= least ? 1 : 2;
    if (exact_groups) return 0;
    if (q_per_kv <= 4) return 2 * num_groups <= 9 * least ? 3 : 0;
    return num_groups > 4 * least && num_groups <= 8 * least ? 6 : 0;
  }
  /// Groups that have so many bytes, or 32 where those are fewer.
  OTT_HD static constexpr int groups_of(std::size_t bytes) {
    constexpr bool two_planes = key_layout<P>::codes::split || value_layout<P>::codes::split;
    int groups = exact_groups ? 4 : two_planes ? 24 : 16;
    while (groups < 32 && groups * sizeof(group_block<P>) < bytes)
      groups = groups > 16 ? 32 : 2 * groups;
    return groups;
  }
};

/// What one launch decides on the device for the following ones; all arrays in the workspace.
/// A line is the partial result of one split for one query row and query head: [D] floats, not yet
/// divided by the sum, and {maximum in units of log2, sum}. Groups' lines are in the rotated space,
/// and come before exact ones'. Where the host knows that every row's splits find room, a row has
/// `stride` lines of its own, else as many as it needs.
/// shape    line_begin, work_begin: [count + 1], in units of num_q_heads lines, and of row tiles
///          times group splits; run: [count], groups a split; a strided plan needs none of them
struct split_plan {
  std::int32_t* line_begin;
  std::int32_t* work_begin;
  std::int32_t* run;
  std::int32_t* ticket;   // of the next split to be dealt out; zero before and after every call
  float* out;             // [line][D]
  float* state;           // [line][2]
  std::int64_t capacity;  // of line_begin[count]
  int num_q_heads;
  int stride = 0;        // lines a row, in units of num_q_heads; 0: line_begin tells
  group_cut likely{};    // of most sequences, as far as the host knows
  bool in_turns = true;  // may blocks that take one split each begin in turns?

  OTT_HD constexpr bool strided() const { return stride > 0; }
  /// The line of a sequence's first row, in units of num_q_heads. begin: line_begin of the
  /// sequence; first: row of the batch
  OTT_HD constexpr int first_line(int begin, int first, int rows, int split) const {
    return strided() ? first * stride + split : begin + split * rows;
  }
  /// Lines from one row of a sequence to the next, and from one split to the next.
  OTT_HD constexpr int row_lines() const { return strided() ? stride : 1; }
  OTT_HD constexpr int split_lines(int rows) const { return strided() ? 1 : rows; }

  OTT_HD constexpr std::int64_t line(int sequence, int rows, int split, int row, int q_head) const {
    return (std::int64_t{line_begin[sequence]} + std::int64_t{split} * rows + row) * num_q_heads +
           q_head;
  }
};

/// One piece of work on groups: a tile of rows of one KV head of one sequence, and a run of groups.
/// Row t of the tile is query row (first_row + t) / q_per_kv of the sequence and query head
/// kv_head * q_per_kv + (first_row + t) % q_per_kv.
struct split_item {
  int sequence;
  int kv_head;
  int split;
  int rows;       // query rows of the sequence
  int first_row;  // of the tile
  int tile_rows;  // in use
  int first_group;
  int last_group;  // one past
};

/// The `work`-th piece of 0 .. work_begin[count] * num_kv_heads - 1, for tiles of TileRows rows.
template <class P, int TileRows>
OTT_HD constexpr split_item find_split(split_plan const& plan, layer_view<P> const& layer,
                                       batch_view const& batch, int work) {
  int const unit = work / layer.num_kv_heads;
  int low = 0;
  int high = batch.count;  // work_begin[low] <= unit < work_begin[high]
  while (high - low > 1) {
    int const middle = (low + high) / 2;
    (plan.work_begin[middle] <= unit ? low : high) = middle;
  }
  int const kv_head = work % layer.num_kv_heads;
  int const num_groups = layer.sequence(batch.slot[low], kv_head).state->num_groups;
  int const rows = batch.row_begin[low + 1] - batch.row_begin[low];
  int const per_kv = plan.num_q_heads / layer.num_kv_heads;
  int const run = plan.run[low];
  int const splits = split_rule<P>::group_splits(num_groups, run);
  group_cut cut = split_rule<P>::cut(num_groups, rows, per_kv);
  if (run != cut.run) cut = {run, split_rule<P>::most_splits};  // not split
  int const rest = unit - plan.work_begin[low];
  int const split = rest % splits;
  int const first_row = rest / splits * TileRows;
  int const left = rows * per_kv - first_row;
  int const last = cut.begin(split + 1);
  return {low,
          kv_head,
          split,
          rows,
          first_row,
          left < TileRows ? left : TileRows,
          cut.begin(split),
          last < num_groups ? last : num_groups};
}

/// Places the plan's arrays in a workspace.
template <class P>
struct split_workspace {
  static constexpr std::size_t line_bytes = (P::head_dim + 2) * sizeof(float);

  // The ticket comes first: workspace_cleared_bytes.
  static constexpr std::size_t ints(std::size_t rows) {
    return round_up((3 * (rows + 1) + 1) * sizeof(std::int32_t), std::size_t{128});
  }
  static constexpr std::size_t bytes(std::size_t rows, std::size_t q_heads, std::size_t lines) {
    return ints(rows) + lines * q_heads * line_bytes + 128;
  }

  /// requires bytes(rows, q_heads, least lines) <= size; memory 128-aligned
  static split_plan place(void* memory, std::size_t size, int rows, int q_heads) {
    auto const num_rows = static_cast<std::size_t>(rows);
    auto const heads = static_cast<std::size_t>(q_heads);
    auto* const base = static_cast<unsigned char*>(memory);
    std::size_t const capacity = (size - ints(num_rows)) / (heads * line_bytes);
    auto* const numbers = reinterpret_cast<std::int32_t*>(base);
    float* const out = reinterpret_cast<float*>(base + ints(num_rows));
    return {numbers + 1,
            numbers + 1 + (num_rows + 1),
            numbers + 1 + 2 * (num_rows + 1),
            numbers,
            out,
            out + capacity * heads * P::head_dim,
            static_cast<std::int64_t>(capacity),
            q_heads};
  }
};

}  // namespace ott
