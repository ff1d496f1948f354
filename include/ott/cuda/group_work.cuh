#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/split_plan.hpp>

// Who works on which groups. Splits are fixed by their sequences; blocks take stretches of the list
// of all splits that cost as equally as splits allow, so that who works never shows in a result.
namespace ott {

/// What a split costs its block, in groups: its warps' rounds, and a quarter of one for the merge.
template <int Warps>
__device__ __forceinline__ int split_cost(int groups) {
  return groups > 0 ? round_up(groups, Warps) + ceil_div(Warps, 4) : 0;
}

/// One sequence of the batch, as blocks keep it in shared memory.
struct listed_sequence {
  int begin;   // place in the list: the cost of all units of the sequences before
  int groups;  // 0 where the sequence has many rows
  int run;     // groups of a split
  int slot;
  int length;
  int first;  // row of the batch
  int line;   // plan.line_begin
};

/// The list of all splits: sequence by sequence, tile of rows by tile, KV head by KV head (a tile
/// of one KV head is a unit). shape    items: [count + 1], of which the last holds begin, first,
/// longest run
template <int TileRows, int Warps>
struct group_list {
  listed_sequence* items;
  int count;

  static constexpr int bytes(int count) {
    return round_up((count + 1) * int{sizeof(listed_sequence)}, 128);
  }

  __device__ __forceinline__ group_list(unsigned char* memory, int size)
      : items(reinterpret_cast<listed_sequence*>(memory)), count(size) {}

  __device__ __forceinline__ listed_sequence const& operator[](int i) const { return items[i]; }
  __device__ __forceinline__ int rows(int i) const { return items[i + 1].first - items[i].first; }

  __device__ __forceinline__ int unit_cost(int i) const {
    int const whole = items[i].groups / items[i].run;
    return whole * split_cost<Warps>(items[i].run) +
           split_cost<Warps>(items[i].groups - whole * items[i].run);
  }

  /// Fills the list. requires every thread of the block calls; ends with a barrier
  template <class P>
  __device__ __forceinline__ void fill(attend_args<P> const& args, split_plan const& plan) {
    int const thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
    int const per_kv = args.q_per_kv();
    for (int i = thread; i < count; i += threads) {
      int const first = args.batch.row_begin[i], slot = args.batch.slot[i];
      int const rows = args.batch.row_begin[i + 1] - first;
      head_state<P> const& state = *args.layer.sequence(slot, 0).state;
      int const groups = split_rule<P>::few(rows, per_kv) ? state.num_groups : 0;
      int const run = groups > 0 ? plan.run[i] : 1;
      items[i].groups = groups, items[i].run = run, items[i].slot = slot;
      items[i].length = state.length, items[i].first = first, items[i].line = plan.line_begin[i];
      items[i + 1].begin =
          unit_cost(i) * args.layer.num_kv_heads * ceil_div(rows * per_kv, TileRows);
    }
    if (thread == 0) items[count].first = args.batch.row_begin[count];
    __syncthreads();
    if (thread == 0) items[0].begin = 0;
    if (thread < 32) {
      int before = 0, longest = 1;
      for (int first = 1; first <= count; first += 32) {
        int const i = first + thread;
        int sum = i <= count ? items[i].begin : 0;
        OTT_UNROLL
        for (int reach = 1; reach < 32; reach *= 2) {
          int const other = __shfl_up_sync(0xffffffffu, sum, reach);
          if (thread >= reach) sum += other;
        }
        if (i <= count) items[i].begin = before + sum, longest = max(longest, items[i - 1].run);
        before += __shfl_sync(0xffffffffu, sum, 31);
      }
      longest = __reduce_max_sync(0xffffffffu, longest);
      if (thread == 0) items[count].run = longest;
    }
    __syncthreads();
  }
};

/// One split after another, from the first that starts at or after a place of the list.
template <int TileRows, int Warps>
struct split_cursor {
  using list_type = group_list<TileRows, Warps>;

  int sequence;
  int tile;
  int kv_head;
  int split;
  int group;  // the split's first
  int start;  // place in the list
  int end;    // splits that start here or later are another block's

  __device__ __forceinline__ split_cursor(list_type const& list, int heads, int per_kv, int from,
                                          int to)
      : tile(0), kv_head(0), split(0), group(0), start(to), end(to) {
    int low = 0, high = list.count;  // begin[low] <= from < begin[high]
    while (high - low > 1) {
      int const middle = (low + high) / 2;
      (list[middle].begin <= from ? low : high) = middle;
    }
    sequence = low;
    if (from >= to) return;
    listed_sequence const& s = list[low];
    int const cost = list.unit_cost(low), whole = split_cost<Warps>(s.run);
    int const unit = (from - s.begin) / cost;
    kv_head = unit % heads;
    tile = unit / heads;
    split = ceil_div((from - s.begin) % cost, whole);
    group = split * s.run;
    start = s.begin + unit * cost + min(split * whole, cost);
    if (group >= s.groups) next_unit(list, heads, per_kv);
  }
  __device__ __forceinline__ bool valid() const { return start < end; }
  /// One past the split's last group.
  __device__ __forceinline__ int last(list_type const& list) const {
    return min(group + list[sequence].run, list[sequence].groups);
  }
  __device__ __forceinline__ bool same_tile(split_cursor const& other) const {
    return sequence == other.sequence && tile == other.tile && kv_head == other.kv_head;
  }
  __device__ __forceinline__ void next(list_type const& list, int heads, int per_kv) {
    int const first = group;
    ++split;
    group = last(list);
    start += split_cost<Warps>(group - first);
    if (group >= list[sequence].groups) next_unit(list, heads, per_kv);
  }

 private:
  __device__ __forceinline__ void next_unit(list_type const& list, int heads, int per_kv) {
    split = 0, group = 0;
    if (++kv_head < heads) return;
    kv_head = 0;
    if (++tile < ceil_div(list.rows(sequence) * per_kv, TileRows)) return;
    tile = 0;
    do {
      ++sequence;
    } while (sequence < list.count && list[sequence].groups == 0);
  }
};

/// A block on its way: page and KV head, or no page at the end. Its address waits until it is
/// needed.
struct block_place {
  int page;
  int kv_head;

  template <class P>
  __device__ __forceinline__ std::uint8_t const* in(layer_view<P> const& layer) const {
    std::int64_t const at = std::int64_t{page} * layer.num_kv_heads + kv_head;
    return page < 0 ? nullptr : reinterpret_cast<std::uint8_t const*>(layer.blocks + at);
  }
};

/// The blocks that one warp will want, in order: every `Warps`-th group of each split.
template <class P, int TileRows, int Warps>
struct block_stream {
  using list_type = group_list<TileRows, Warps>;
  split_cursor<TileRows, Warps> cursor;
  int group;
  int last;
  int warp;

  __device__ __forceinline__ block_stream(list_type const& list, int heads, int per_kv,
                                          split_cursor<TileRows, Warps> const& first, int warp_id)
      : cursor(first), group(0), last(0), warp(warp_id) {
    if (!cursor.valid()) return;
    group = cursor.group + warp, last = cursor.last(list);
    skip(list, heads, per_kv);
  }
  __device__ __forceinline__ block_place take(layer_view<P> const& layer, list_type const& list,
                                              int per_kv) {
    if (!cursor.valid()) return {-1, 0};
    std::int64_t const row = std::int64_t{list[cursor.sequence].slot} * layer.max_groups;
    block_place const place{layer.page_table[row + group], cursor.kv_head};
    group += Warps;
    skip(list, layer.num_kv_heads, per_kv);
    return place;
  }

 private:
  __device__ __forceinline__ void skip(list_type const& list, int heads, int per_kv) {
    while (group >= last) {
      cursor.next(list, heads, per_kv);
      if (!cursor.valid()) return;
      group = cursor.group + warp, last = cursor.last(list);
    }
  }
};

}  // namespace ott
