#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/algo/append.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/append_teams.cuh>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/cluster.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/asked_pools.cuh>
#include <ott/cuda/step_flush.cuh>
#include <ott/cuda/team.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

// Of the kernels that append in bulk.
inline constexpr int append_threads = 256;
inline constexpr int append_blocks = 4;  // of one SM: 32 warps hide what one group's steps wait for

/// One KV head of one sequence of a batch, and what appending does to it.
struct append_item {
  int slot;
  int kv_head;
  int first_row;
  append_plan plan;

  OTT_HD int count() const { return plan.new_length - plan.length; }
  OTT_HD bool flushes() const { return plan.new_groups != plan.num_groups; }
};

/// How the heads of a call are dealt to crews of blocks.
struct append_crews {
  int size;   // blocks of one
  int count;  // crews
  int each;   // heads whose rows one block copies

  static constexpr int watchers = 64;  // threads of a block, one a head of its crew: two warps

  OTT_HD int heads() const { return each * size; }
};

/// About a block a multiprocessor: it looks after several heads, of which few flush in one step.
/// requires heads > 0
template <class P>
append_crews deal_heads(std::int64_t heads, int multiprocessors, bool has_clusters) {
  using flush = step_flush<P>;
  int const size = has_clusters ? flush::crew : 1;
  std::int64_t const copiers = (flush::threads - append_crews::watchers) / 32;
  std::int64_t const most =
      copiers * size < append_crews::watchers ? copiers : append_crews::watchers / size;
  std::int64_t const fitting = multiprocessors < size ? 1 : multiprocessors / size;
  std::int64_t const least = ceil_div(heads, most * size);
  std::int64_t count = heads < fitting ? heads : fitting;
  if (count < least) count = least;
  return {size, static_cast<int>(count), static_cast<int>(ceil_div(heads, count * size))};
}

namespace detail {

/// A lane's part of one key row and one value row, on its way while other things are looked up.
template <class P>
class row_pair {
  using element = typename P::element;
  using chunk = element_chunk<element>;
  static constexpr int row_chunks = P::head_dim / chunk::size;
  static constexpr int each = ceil_div(2 * row_chunks, 32);

 public:
  __device__ void load(warp_team const& warp, element const* k, element const* v) {
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

/// Asks for no rows.
struct no_rows {
  __device__ void operator()(append_item const&) const {}
};

/// One KV head of one sequence of a batch. What takes divisions to find is found while the kernel
/// ahead runs.
struct head_place {
  int sequence;
  int kv_head;

  __device__ head_place(int pair, int kv_heads)
      : sequence{arch::fixed(pair / kv_heads)}, kv_head{arch::fixed(pair % kv_heads)} {}
};

/// What one call appends to a head; nothing past the last sequence.
/// shape    at_rows(item): called when its rows are known, and its lengths are asked for
template <class P, class AtRows = no_rows>
__device__ append_item read_item(layer_view<P> const& layer, batch_view const& batch,
                                 head_place const& place, AtRows const& at_rows = {}) {
  append_item item{0, place.kv_head, 0, {}};
  if (place.sequence >= batch.count) return item;
  item.slot = batch.slot[place.sequence];
  item.first_row = batch.row_begin[place.sequence];
  int const count = batch.row_begin[place.sequence + 1] - item.first_row;
  if (count <= 0) return item;
  at_rows(item);
  item.plan = plan_append(*layer.sequence(item.slot, item.kv_head).state, count);
  return item;
}

/// Flushes what is due of one head by all blocks of a crew, or by this block if it is `alone`.
/// shape    waited: for all blocks to have read what this call's state was, which they told
/// False: a page is missing and nothing was changed. requires every thread calls
template <class P, class Rows>
__device__ bool flush_head(unsigned char* shared, sequence_view<P> const& seq, Rows const& rows,
                           append_plan const& plan, int capacity, bool alone, bool waited) {
  using flush = step_flush<P>;
  if (alone) {
    if (!has_pages(seq, plan)) return false;
    for (int group = plan.num_groups; group < plan.new_groups; ++group) {
      later_block<flush::threads> team;
      team.begin();
      flush_group<P>(team, *reinterpret_cast<flush_scratch<P>*>(shared), rows, *seq.state,
                     seq.block(group), group * P::group, capacity);
    }
    return true;
  }
  if constexpr (flush::in_shares) {
    group_share<P> share(shared, arch::cluster_rank());
    bool complete = true;
    for (int group = plan.num_groups; group < plan.new_groups; ++group) {
      int const first_pos = group * P::group;
      bool const first = group == plan.num_groups;
      asked_pools<P> asked;
      int page = -1;  // of the first group, which is mostly the only one
      if (first) {
        share.ask(asked, *seq.state);
        if (group < seq.max_groups) page = seq.pages[group];
      }
      share.fetch(rows, first_pos);
      if (first) {
        share.hold(asked, capacity);
        complete = page >= 0 && (group + 1 == plan.new_groups || has_pages(seq, plan));
      } else {
        share.hold_on(capacity);
      }
      if (first && !waited) arch::wait_for_cluster();
      if (first) arch::arrive_at_cluster();  // this block needs the state as it was no longer
      share.settle();
      bool const enters = complete && share.finds_outliers(first_pos, capacity);
      if (first) arch::wait_for_cluster();
      if (!complete) {
        arch::wait_copies<0>();
        return false;
      }
      if (enters) share.trace(rows, *seq.state, first_pos, capacity);
      share.quantize(rows, seq.block(group), first_pos);
    }
  }
  return true;
}

}  // namespace detail

/// Appends to the heads of sequences, each looked after by a crew of blocks: a warp a head copies
/// rows where no flush is due. Of the others, few are flushed by the whole crew one by one, many
/// by a block each.
/// shape    crew c of n has the pairs c, c + n, .. of sequences x kv_heads, so that the heads of
///          one sequence, which flush in the same step, have different crews;
///          dynamic shared memory: step_flush<P>::shared_bytes
/// requires blocks of a crew start together; crews.each <= crews.most_heads()
template <class P>
__global__ void __launch_bounds__(step_flush<P>::threads, step_flush<P>::resident)
    append_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v, append_crews crews) {
  using flush = step_flush<P>;
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ append_item items[append_crews::watchers];
  __shared__ std::uint32_t due[2];
  whole_block<flush::threads> const team;
  warp_team const warp;
  int const rank = crews.size > 1 ? arch::cluster_rank() : 0;
  int const crew = static_cast<int>(blockIdx.x) / crews.size;
  auto const pair_of = [&](int i) { return crew + i * crews.count; };
  int const own = team.rank() / 32;
  int const watched = team.rank() - (flush::threads - append_crews::watchers);
  detail::head_place const place(pair_of(watched >= 0 ? watched : rank + own * crews.size),
                                 layer.num_kv_heads);
  arch::wait_for_kernel_ahead();
  arch::let_next_kernel_start();
  append_item item{};
  detail::row_pair<P> first;
  if (watched >= 0) {
    if (watched < crews.heads()) item = detail::read_item(layer, batch, place);
    if (item.flushes()) {  // what its flush reads, a part each
      sequence_view<P> const seq = layer.sequence(item.slot, item.kv_head);
      constexpr int lot = 16;
      int const bytes =
          static_cast<int>(offsetof(head_state<P>, traced_k)) / crews.size / lot * lot;
      arch::prefetch(seq.pages + item.plan.num_groups);
      arch::prefetch_bytes(reinterpret_cast<unsigned char*>(seq.state) + rank * bytes,
                           static_cast<std::uint32_t>(bytes));
    }
    items[watched] = item;
    unsigned const flushing = __ballot_sync(~0u, item.flushes());
    if (warp.rank() == 0) due[watched / 32] = flushing;
  } else if (own < crews.each) {
    item = detail::read_item(layer, batch, place, [&](append_item const& now) {
      first.load(warp, k.row(now.first_row, now.kv_head), v.row(now.first_row, now.kv_head));
    });
  }
  bool const quiet = __any_sync(~0u, watched < 0 && item.count() > 0 && !item.flushes()) != 0;
  arch::arrive_at_cluster();  // lengths may change: they are here
  head_state<P>& state = *layer.sequence(item.slot, item.kv_head).state;
  if (quiet && item.count() == 1) {
    int const at = head_state<P>::window_row(item.plan.length);
    first.store(warp, state.window_k + at, state.window_v + at);
  } else if (quiet) {
    fill_window<P>(warp, state, item.plan, k.slice(item.first_row, item.count()),
                   v.slice(item.first_row, item.count()), item.kv_head);
  }
  team.sync();

  std::uint64_t rest = std::uint64_t{due[1]} << 32 | due[0];
  int const num_due = __popcll(rest);
  bool const alone = crews.size == 1 || num_due > crews.size / 2;
  bool const writes = alone || rank == crews.size - 1;
  bool waited = num_due == 0 || alone;
  if (waited) arch::wait_for_cluster();  // else with the first flush
  int number = 0;
  for (; rest != 0; rest &= rest - 1) {
    if (alone && number++ % crews.size != rank) continue;
    append_item const now = items[__ffsll(static_cast<long long>(rest)) - 1];
    sequence_view<P> const seq = layer.sequence(now.slot, now.kv_head);
    auto const new_k = k.slice(now.first_row, now.count());
    auto const new_v = v.slice(now.first_row, now.count());
    position_rows<P> const rows{seq.state, new_k, new_v, seq.kv_head, now.plan.length};
    bool const complete =
        detail::flush_head(shared, seq, rows, now.plan, layer.pool_capacity, alone, waited);
    waited = true;
    if (!complete) {
      if (writes && threadIdx.x == 0) *layer.flag = 1;
      continue;
    }
    if (!fits_window<P>(now.plan)) {  // rows that the flushes read are written over
      team.sync();
      if (!alone) {
        arch::arrive_at_cluster();
        arch::wait_for_cluster();
      }
    }
    if (!writes) continue;
    fill_window<P>(team, *seq.state, now.plan, new_k, new_v, seq.kv_head);
    if (threadIdx.x == 0) {
      seq.state->length = now.plan.new_length;
      seq.state->num_groups = now.plan.new_groups;
    }
  }
  if (quiet && warp.rank() == 0) state.length = item.plan.new_length;
}

/// Cuts a sequence inside its window: one thread a KV head.
template <class P>
__global__ void set_length_kernel(layer_view<P> layer, int slot, int length) {
  int const kv_head = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (kv_head < layer.num_kv_heads) layer.sequence(slot, kv_head).state->length = length;
}

}  // namespace ott
