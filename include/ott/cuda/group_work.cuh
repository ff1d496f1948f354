#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/split_plan.hpp>

// Who works on which groups. Splits are fixed by their sequences; blocks take stretches of the list of
// all splits that are as equal in groups as splits allow, so that who works never shows in a result.
namespace ott {

/// The list of all splits, as one block sees it in shared memory.
/// shape    begin: [count + 1], groups times units before a sequence; groups, run: [count];
///          a unit is a tile of TileRows rows of one KV head
struct group_list {
  int* begin;
  int* groups;
  int* run;
  int count;

  static constexpr int bytes(int count) { return round_up((3 * count + 1) * 4, 128); }

  __device__ group_list(unsigned char* memory, int size)
      : begin(reinterpret_cast<int*>(memory)),
        groups(begin + size + 1),
        run(groups + size),
        count(size) {}

  /// Fills the list. requires every thread of the block calls; ends with a barrier
  template <class P, int TileRows>
  __device__ void fill(attend_args<P> const& args, split_plan const& plan) {
    int const thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
    for (int i = thread; i < count; i += threads) {
      int const rows = args.batch.row_begin[i + 1] - args.batch.row_begin[i];
      int const units =
          args.layer.num_kv_heads * ceil_div(rows * args.q_per_kv(), TileRows);
      bool const few = split_rule<P>::few(rows, args.q_per_kv());
      groups[i] = few ? args.layer.sequence(args.batch.slot[i], 0).state->num_groups : 0;
      run[i] = few ? plan.run[i] : 1;
      begin[i + 1] = groups[i] * units;
    }
    if (thread == 0) begin[0] = 0;
    __syncthreads();
    if (thread < 32) {
      int before = 0;
      for (int first = 0; first < count; first += 32) {
        int const i = first + thread;
        int sum = i < count ? begin[i + 1] : 0;
        OTT_UNROLL
        for (int reach = 1; reach < 32; reach *= 2) {
          int const other = __shfl_up_sync(0xffffffffu, sum, reach);
          if (thread >= reach) sum += other;
        }
        if (i < count) begin[i + 1] = before + sum;
        before += __shfl_sync(0xffffffffu, sum, 31);
      }
    }
    __syncthreads();
  }
};

/// One split after another, from the first that starts at or after a place of the list.
template <class P>
struct split_cursor {
  int sequence;
  int unit;
  int split;
  int start;  // place in the list
  int end;    // splits that start here or later are another block's

  __device__ split_cursor(group_list const& list, int from, int to) : end(to) {
    int low = 0, high = list.count;  // begin[low] <= from < begin[high]
    while (high - low > 1) {
      int const middle = (low + high) / 2;
      (list.begin[middle] <= from ? low : high) = middle;
    }
    sequence = low, unit = 0, split = 0, start = to;
    if (from >= to) return;
    int const rest = from - list.begin[low], size = list.groups[low];
    unit = rest / size;
    split = ceil_div(rest % size, list.run[low]);
    settle(list);
  }
  __device__ bool valid() const { return start < end; }
  __device__ int first(group_list const& list) const { return split * list.run[sequence]; }
  __device__ int last(group_list const& list) const {
    return min((split + 1) * list.run[sequence], list.groups[sequence]);
  }
  __device__ void next(group_list const& list) {
    ++split;
    settle(list);
  }

 private:
  __device__ void settle(group_list const& list) {
    if (split * list.run[sequence] >= list.groups[sequence]) {
      split = 0;
      ++unit;
      if (list.begin[sequence] + unit * list.groups[sequence] >= list.begin[sequence + 1]) {
        unit = 0;
        do {
          ++sequence;
        } while (sequence < list.count && list.begin[sequence] == list.begin[sequence + 1]);
        if (sequence >= list.count) {
          start = end;
          return;
        }
      }
    }
    start = list.begin[sequence] + unit * list.groups[sequence] + split * list.run[sequence];
  }
};

/// The blocks that one warp will want, in order: every `Warps`-th group of each split.
template <class P, int Warps>
struct block_stream {
  split_cursor<P> cursor;
  int group;
  int warp;
  group_block<P> const* blocks;   // of the KV head
  std::int32_t const* pages;
  int stride;                     // group blocks a page

  __device__ block_stream(attend_args<P> const& args, group_list const& list,
                          split_cursor<P> const& first, int warp_id)
      : cursor(first), warp(warp_id), stride(args.layer.num_kv_heads) {
    enter(args, list);
    skip(args, list);
  }
  /// The next block; null at the end.
  __device__ std::uint8_t const* take(attend_args<P> const& args, group_list const& list) {
    if (!cursor.valid()) return nullptr;
    auto const* const block = blocks + std::int64_t{pages[group]} * stride;
    group += Warps;
    skip(args, list);
    return reinterpret_cast<std::uint8_t const*>(block);
  }

 private:
  __device__ void enter(attend_args<P> const& args, group_list const& list) {
    if (!cursor.valid()) return;
    group = cursor.first(list) + warp;
    blocks = args.layer.blocks + cursor.unit % args.layer.num_kv_heads;
    pages = args.layer.page_table +
            std::int64_t{args.batch.slot[cursor.sequence]} * args.layer.max_groups;
  }
  __device__ void skip(attend_args<P> const& args, group_list const& list) {
    while (cursor.valid() && group >= cursor.last(list)) {
      cursor.next(list);
      enter(args, list);
    }
  }
};

}  // namespace ott
