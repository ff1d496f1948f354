#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/algo/append.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/append_teams.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/step_flush.cuh>
#include <ott/cuda/team.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

// Of the kernels that append in bulk.
inline constexpr int append_threads = 256;
inline constexpr int append_blocks = 4;  // of one SM: 32 warps hide what one group's steps wait for

inline constexpr int append_most = step_threads / 32;  // heads that one block looks after

/// One KV head of one sequence of a batch, and what appending does to it.
struct append_item {
  int kv_head;
  int slot;
  int first_row;
  append_plan plan;
  bool complete;  // no page is missing

  OTT_HD int count() const { return plan.new_length - plan.length; }
  OTT_HD bool flushes() const { return plan.new_groups != plan.num_groups; }
};

namespace detail {

/// A lane's part of one key row and one value row, on its way while other things are looked up.
template <class P>
class row_pair {
  using element = typename P::element;
  using chunk = element_chunk<element>;
  static constexpr int row_chunks = P::head_dim / chunk::size;
  static constexpr int each = ceil_div(2 * row_chunks, 32);

 public:
  __device__ row_pair(warp_team const& warp, element const* k, element const* v) {
    OTT_UNROLL
    for (int i = 0; i < each; ++i) {
      int const at = i * 32 + warp.rank();
      if (at >= 2 * row_chunks) break;
      bool const keys = at < row_chunks;
      chunks_[i] =
          load_chunk(warp, keys ? k + at * chunk::size : v + (at - row_chunks) * chunk::size);
    }
  }
  /// requires 16-byte alignment
  __device__ void store(warp_team const& warp, element* k, element* v) const {
    OTT_UNROLL
    for (int i = 0; i < each; ++i) {
      int const at = i * 32 + warp.rank();
      if (at >= 2 * row_chunks) break;
      bool const keys = at < row_chunks;
      element* const to = keys ? k + at * chunk::size : v + (at - row_chunks) * chunk::size;
      auto const& words = chunks_[i].words;
      *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
    }
  }

 private:
  chunk chunks_[each];
};

}  // namespace detail

/// Appends to up to `each` heads of sequences a block: a warp a head copies rows where no flush is
/// due; the whole block flushes the others one by one.
/// shape    block b of n has the pairs b, b + n, .. of sequences x kv_heads, so that the heads of
///          one sequence, which flush in the same step, have different blocks;
///          dynamic shared memory: step_flush<P>::shared_bytes
/// requires each <= append_most
template <class P>
__global__ void __launch_bounds__(step_threads, 1)
    append_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v, int each) {
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ append_item items[append_most];
  warp_team const warp;
  int const own = static_cast<int>(threadIdx.x) / 32;
  int const pair = static_cast<int>(blockIdx.x) + own * static_cast<int>(gridDim.x);
  int const sequence = pair / layer.num_kv_heads;
  append_item item{pair % layer.num_kv_heads, 0, 0, {}, true};
  arch::wait_for_kernel_ahead();
  arch::let_next_kernel_start();
  bool due = false;
  if (own < each && sequence < batch.count) {
    item.slot = batch.slot[sequence];
    item.first_row = batch.row_begin[sequence];
    int const count = batch.row_begin[sequence + 1] - item.first_row;
    if (count > 0) {
      sequence_view<P> const seq = layer.sequence(item.slot, item.kv_head);
      auto const first_of = [&](auto const& rows) {
        return rows.row(item.first_row, item.kv_head);
      };
      detail::row_pair<P> const first(warp, first_of(k), first_of(v));
      item.plan = plan_append(*seq.state, count);
      item.complete = has_pages(seq, item.plan);
      due = item.flushes();
      if (item.complete && count == 1) {  // which always fits
        int const at = head_state<P>::window_row(item.plan.length);
        if (item.plan.length >= item.plan.new_groups * P::group) {
          first.store(warp, seq.state->window_k + at, seq.state->window_v + at);
        }
      } else if (item.complete && fits_window<P>(item.plan)) {
        fill_window<P>(warp, *seq.state, item.plan, k.slice(item.first_row, count),
                       v.slice(item.first_row, count), item.kv_head);
      }
      warp.sync();  // every lane has read the length
      if (!due && warp.rank() == 0) seq.state->length = item.plan.new_length;
    }
  }
  if (warp.rank() == 0) items[own] = item;
  if (__syncthreads_or(due) == 0) return;

  for (int i = 0; i < each; ++i) {
    append_item const now = items[i];
    if (!now.flushes()) continue;
    if (!now.complete) {
      if (threadIdx.x == 0) *layer.flag = 1;
      continue;
    }
    sequence_view<P> const seq = layer.sequence(now.slot, now.kv_head);
    auto const new_k = k.slice(now.first_row, now.count());
    auto const new_v = v.slice(now.first_row, now.count());
    position_rows<P> const rows{seq.state, new_k, new_v, seq.kv_head, now.plan.length};
    for (int group = now.plan.num_groups; group < now.plan.new_groups; ++group) {
      step_flush<P>::flush(shared, rows, *seq.state, seq.block(group), group * P::group,
                           layer.pool_capacity);
    }
    if (!fits_window<P>(now.plan)) {
      __syncthreads();  // window rows were read by the flushes
      fill_window<P>(whole_block<step_threads>{}, *seq.state, now.plan, new_k, new_v, seq.kv_head);
    }
    if (threadIdx.x == 0) {
      seq.state->length = now.plan.new_length;
      seq.state->num_groups = now.plan.new_groups;
    }
  }
}

/// Cuts a sequence inside its window: one thread a KV head.
template <class P>
__global__ void set_length_kernel(layer_view<P> layer, int slot, int length) {
  int const kv_head = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (kv_head < layer.num_kv_heads) layer.sequence(slot, kv_head).state->length = length;
}

}  // namespace ott
