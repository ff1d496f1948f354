#pragma once

#include <cstdint>

#include <ott/algo/append.hpp>
#include <ott/algo/quantize_untraced.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/append_kernel.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/team.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

// Appends of many groups at once: the steps of append_tokens as four launches, all groups side by
// side. Only tracing goes group by group, while values are quantized. Groups are quantized as if
// nothing were traced; the few of which something is are quantized again.
//
// Each launch starts while the one ahead of it runs, and waits for it where it must: lengths and
// pages stay what they are until the last launch, and so do K and V.
namespace ott {

inline constexpr int window_threads = 512;
inline constexpr int group_blocks = 5;  // of one SM, where a block quantizes one tensor of one group

/// A token that tracing may take, as the key kernel leaves it.
struct trace_candidate {
  std::uint64_t score;
  std::int32_t token;
  std::int32_t reserved;
};

template <class P>
struct bulk_append {
  static constexpr bool traces = flush_scratch<P>::traces;
  static constexpr int candidates = !traces ? 0 : P::pool < P::group ? P::pool : P::group;
  static constexpr std::size_t before_marks =
      sizeof(detail::codes_of<value_half<P>, typename value_layout<P>::code_type,
                              value_layout<P>::num_code_items>) *
          (value_layout<P>::num_code_items > 0) +
      sizeof(typename P::param) * value_layout<P>::num_param_items;
  /// Is there room for the candidates where marks will be, and in the padding after them?
  static constexpr bool possible =
      round_up<std::size_t>(before_marks, 16) + candidates * sizeof(trace_candidate) <=
      sizeof(value_half<P>);
  static constexpr int least_rows = 2 * P::group;

  /// Groups that one sequence flushes when it appends `rows`, at most.
  static constexpr int most_groups(int rows) { return rows / P::group + 1; }

  OTT_HD static trace_candidate* candidates_of(group_block<P>& block) {
    return reinterpret_cast<trace_candidate*>(block.v.marks);
  }
  /// Can anything enter the pools? Else no candidates are left.
  OTT_HD static constexpr bool has_room(head_state<P> const& state, int capacity) {
    return capacity > 0 && state.num_traced < capacity + P::evicted;
  }
};

/// Shared memory of tracing: the candidates of many groups, and the marks they get.
template <class P>
struct trace_scratch {
  static constexpr int candidates = bulk_append<P>::candidates;
  static constexpr int fitting = 2048 / (candidates + 1);
  static constexpr int groups = fitting < 1 ? 1 : fitting > 256 ? 256 : fitting;
  static constexpr int mark_words = P::group / 32;
  static constexpr int used_words = candidates * 4 > mark_words ? candidates * 4 : mark_words;

  trace_candidate lowest[groups][candidates > 0 ? candidates : 1];
  std::uint32_t marks[groups][mark_words];
  held_entries<P> held;
};

namespace detail {

/// What every block works on: one KV head of one sequence and, in most, one of its new groups.
template <class P>
struct append_work {
  sequence_view<P> seq;
  append_plan plan;
  position_rows<P> rows;

  __device__ append_work(layer_view<P> const& layer, batch_view const& batch,
                         view<typename P::element const> k, view<typename P::element const> v,
                         int work)
      : seq{layer.sequence(batch.slot[work / layer.num_kv_heads], work % layer.num_kv_heads)} {
    int const sequence = work / layer.num_kv_heads;
    int const first = batch.row_begin[sequence];
    int const count = batch.row_begin[sequence + 1] - first;
    plan = plan_append(*seq.state, count);
    rows = {seq.state, k.slice(first, count), v.slice(first, count), seq.kv_head, plan.length};
  }

  /// Is no page of the plan missing? A barrier. requires every thread of the block calls
  __device__ bool complete() const {
    bool own = true;
    for (int g = plan.num_groups + static_cast<int>(threadIdx.x); g < plan.new_groups;
         g += blockDim.x) {
      own = own && seq.has_page(g);
    }
    return __syncthreads_and(own) != 0;
  }
};

template <class Scratch>
__device__ Scratch& shared_as() {
  extern __shared__ __align__(128) unsigned char shared[];
  return *reinterpret_cast<Scratch*>(shared);
}

/// Traces groups whose candidates lie in the scratch, in order. Most have nothing that enters: one
/// look finds the next of 32 that has. requires one warp calls, every lane
template <class P>
__device__ void trace_lowest(trace_scratch<P>& scratch, head_state<P>& state, int count,
                             int first_group, int capacity) {
  int const lane = static_cast<int>(threadIdx.x) % 32;
  for (int first = 0; first < count; first += 32) {
    bool const own = first + lane < count;
    std::uint64_t const lowest = own ? scratch.lowest[first + lane][0].score : never_traced;
    int next = 0;
    for (;;) {
      __syncwarp();
      std::uint64_t const bar = scratch.held.bar(capacity);
      unsigned const entering = __ballot_sync(~0u, lane >= next && lowest < bar);
      if (entering == 0) break;
      next = __ffs(static_cast<int>(entering));
      int const at = first + next - 1;
      if (lane == 0) {
        offer_lowest<P>(
            scratch.held, state, capacity, (first_group + at) * P::group,
            [&](int i) { return scratch.lowest[at][i].score; },
            [&](int i) { return scratch.lowest[at][i].token; }, scratch.marks[at]);
      }
    }
  }
}

/// Traces the groups of one head in order and leaves their marks where candidates were.
/// requires the key kernel has ended when `wait` returns; every thread of the block calls
template <class P>
__device__ void trace_head(append_work<P> const& work, int capacity) {
  using scratch_type = trace_scratch<P>;
  auto& scratch = shared_as<scratch_type>();
  block_team const team;
  head_state<P>& state = *work.seq.state;
  bool const left = bulk_append<P>::has_room(state, capacity);
  gather_held<P>(team, scratch.held, state);
  arch::wait_for_kernel_ahead();
  for (int first = work.plan.num_groups; first < work.plan.new_groups;
       first += scratch_type::groups) {
    int const rest = work.plan.new_groups - first;
    int const count = rest < scratch_type::groups ? rest : scratch_type::groups;
    team.sync();  // what was held is published, and the marks of the groups before have been read
    for_each(team, count, [&](int i) {
      trace_candidate const* const in = bulk_append<P>::candidates_of(work.seq.block(first + i));
      OTT_UNROLL
      for (int c = 0; c < scratch_type::candidates; ++c) {
        scratch.lowest[i][c] = left ? in[c] : trace_candidate{never_traced, 0, 0};
      }
      for (int word = 0; word < scratch_type::mark_words; ++word) scratch.marks[i][word] = 0;
    });
    team.sync();
    if (team.rank() < 32) trace_lowest<P>(scratch, state, count, first, capacity);
    team.sync();
    for_each(team, count * scratch_type::used_words, [&](int i) {
      int const group = i / scratch_type::used_words;
      int const word = i % scratch_type::used_words;
      work.seq.block(first + group).v.marks[word] =
          word < scratch_type::mark_words ? scratch.marks[group][word] : 0;
    });
  }
}

/// Fills the tile with one tensor of a group.
template <class P>
__device__ void load_group(flush_scratch<P>& scratch, append_work<P> const& work, bool keys,
                           int group) {
  load_tile<P>(block_team{}, scratch, [&](int token) {
    int const pos = group * P::group + token;
    return keys ? work.rows.key(pos) : work.rows.value(pos);
  });
}

/// Takes the marks of a group, or none.
template <class P>
__device__ void take_marks(flush_scratch<P>& scratch, std::uint32_t const* marks) {
  if (threadIdx.x != 0) return;
  scratch.num_traced = 0;
  for (int word = 0; word < P::group / 32; ++word) {
    scratch.marks[word] = marks == nullptr ? 0 : marks[word];
    scratch.num_traced += popcount(scratch.marks[word]);
  }
}

}  // namespace detail

/// Scores and quantizes the keys of one group a block as if none were traced, and leaves the
/// lowest tokens as candidates. shape grid: groups x sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads, group_blocks)
    key_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
               view<typename P::element const> v) {
  using bulk = bulk_append<P>;
  arch::wait_for_kernel_ahead();
  arch::let_next_kernel_start();
  auto& scratch = detail::shared_as<flush_scratch<P>>();
  int const heads = batch.count * layer.num_kv_heads;
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x) % heads);
  int const group = work.plan.num_groups + static_cast<int>(blockIdx.x) / heads;
  if (group >= work.plan.new_groups) return;
  block_team const team;
  if constexpr (bulk::traces || !exact_keys<P>) detail::load_group(scratch, work, true, group);
  detail::take_marks(scratch, nullptr);
  bool const complete = work.complete();
  settle(team);
  if (!complete) return;
  team.sync();
  group_block<P>& block = work.seq.block(group);
  bool const scores =
      bulk::traces && bulk::has_room(*work.seq.state, layer.pool_capacity);
  auto const leave = [&](int rank, int token) {
    bulk::candidates_of(block)[rank] = {scratch.scores[token], token, 0};
  };
  if constexpr (flush_scratch<P>::holds_elements && !exact_keys<P>) {
    quantize_untraced_keys<P>(team, scratch, block, scores, leave);
  } else {
    if constexpr (bulk::traces) {
      if (scores) {
        score_group<P>(team, scratch, group * P::group);
        team.sync();
        rank_lowest<P>(team, scratch);
        team.sync();
        for_each(team, bulk::candidates, [&](int rank) { leave(rank, scratch.order[rank]); });
      }
    }
    quantize_keys<P>(team, scratch, work.rows, block, group * P::group);
  }
}

/// Quantizes the values of one group a block as if none were traced; the first blocks trace.
/// shape    grid: sequences x KV heads if the policy traces, then groups x sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads, group_blocks)
    value_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                 view<typename P::element const> v) {
  arch::let_next_kernel_start();
  int const heads = batch.count * layer.num_kv_heads;
  int const block = static_cast<int>(blockIdx.x) - (bulk_append<P>::traces ? heads : 0);
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x) % heads);
  block_team const team;
  int const group = work.plan.num_groups + block / heads;
  bool const due = block >= 0 && group < work.plan.new_groups;
  auto& scratch = detail::shared_as<flush_scratch<P>>();
  if (due && !exact_values<P>) detail::load_group(scratch, work, false, group);
  if (due) detail::take_marks(scratch, nullptr);
  bool const complete = work.complete();
  settle(team);
  team.sync();
  if (complete && due) {
    group_block<P>& out = work.seq.block(group);
    if constexpr (flush_scratch<P>::holds_elements && !exact_values<P>) {
      quantize_untraced_values<P>(team, scratch, out);
    } else {
      quantize_values<P>(team, scratch, work.rows, out, group * P::group);
    }
    if constexpr (!bulk_append<P>::traces) {
      for_each(team, P::group / 32, [&](int word) { out.v.marks[word] = 0; });
    }
  }
  if constexpr (bulk_append<P>::traces) {
    if (complete && block < 0) detail::trace_head(work, layer.pool_capacity);
  }
  arch::wait_for_kernel_ahead();  // who waits for this kernel waits for the keys, too
}

/// Quantizes groups again in which tokens were traced, and keeps those tokens' rows; some entries of
/// one head a block, keys or values. shape grid: any x 2 x sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads, append_blocks)
    repair_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v) {
  arch::let_next_kernel_start();
  auto& scratch = detail::shared_as<flush_scratch<P>>();
  int const heads = batch.count * layer.num_kv_heads;
  int const block = static_cast<int>(blockIdx.x);
  bool const keys = block / heads % 2 == 0;
  int const stride = static_cast<int>(gridDim.x) / heads / 2;
  detail::append_work<P> const work(layer, batch, k, v, block % heads);
  bool const complete = work.complete();
  arch::wait_for_kernel_ahead();
  if (!complete || (keys ? false : exact_values<P>)) return;
  head_state<P>& state = *work.seq.state;
  block_team const team;
  for (int entry = block / heads / 2; entry < state.num_traced; entry += stride) {
    // Entries of a group follow each other: the first stands for all.
    int const group = state.entries[entry].pos / P::group;
    if (group < work.plan.num_groups) continue;
    if (entry > 0 && state.entries[entry - 1].pos / P::group == group) continue;
    team.sync();  // the scratch of the entry before is no longer read
    if (keys ? !exact_keys<P> : true) detail::load_group(scratch, work, keys, group);
    group_block<P>& out = work.seq.block(group);
    detail::take_marks(scratch, out.v.marks);
    settle(team);
    team.sync();
    if (keys) {
      copy_traced<P>(team, state, work.rows, entry, scratch.num_traced);
      if constexpr (!exact_keys<P>) {
        quantize_keys<P>(team, scratch, work.rows, out, group * P::group);
      }
    } else if constexpr (!exact_values<P>) {
      quantize_values<P>(team, scratch, work.rows, out, group * P::group);
    }
  }
}

/// Fills the window and moves the lengths, or raises the flag. shape grid: sequences x KV heads
template <class P>
__global__ void __launch_bounds__(window_threads)
    window_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v) {
  using chunk = element_chunk<typename P::element>;
  constexpr int row_chunks = P::head_dim / chunk::size;
  constexpr int at_once = 8;  // loads under way, before the kernel ahead has ended
  arch::let_next_kernel_start();
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x));
  block_team const team;
  bool const complete = work.complete();
  head_state<P>& state = *work.seq.state;
  int const begin = work.plan.new_groups * P::group;
  int const first = begin > work.plan.length ? begin : work.plan.length;
  int const count = complete ? (work.plan.new_length - first) * row_chunks : 0;  // of K, then of V
  auto const pos_of = [&](int i) { return first + (i < count ? i : i - count) / row_chunks; };
  auto const channel_of = [&](int i) { return i % row_chunks * chunk::size; };
  for (int i = team.rank(); i - team.rank() < 2 * count; i += at_once * window_threads) {
    chunk x[at_once];
    OTT_UNROLL
    for (int n = 0; n < at_once; ++n) {
      int const own = i + n * window_threads;
      if (own >= 2 * count) break;
      int const pos = pos_of(own);
      x[n] = load_chunk(
          team, (own < count ? work.rows.key(pos) : work.rows.value(pos)) + channel_of(own));
    }
    arch::wait_for_kernel_ahead();  // it may read rows that these replace
    OTT_UNROLL
    for (int n = 0; n < at_once; ++n) {
      int const own = i + n * window_threads;
      if (own >= 2 * count) break;
      store_chunk(team,
                  (own < count ? state.window_k : state.window_v) +
                      head_state<P>::window_row(pos_of(own)) + channel_of(own),
                  x[n]);
    }
  }
  arch::wait_for_kernel_ahead();
  if (team.rank() != 0) return;
  if (!complete) {
    *layer.flag = 1;
  } else {
    state.length = work.plan.new_length;
    state.num_groups = work.plan.new_groups;
  }
}

/// Launches them all.
template <class P>
void append_in_bulk(char const* where, layer_view<P> const& layer, batch_view const& batch,
                    view<typename P::element const> k, view<typename P::element const> v,
                    cuda_stream s) {
  using bulk = bulk_append<P>;
  std::int64_t const heads = std::int64_t{batch.count} * layer.num_kv_heads;
  int const groups = bulk::most_groups(batch.max_rows);
  std::size_t const shared = sizeof(flush_scratch<P>);
  launch(where, key_kernel<P>, {heads * groups, append_threads, shared, true}, s, layer, batch, k,
         v);
  if constexpr (bulk::traces) {
    std::size_t const tracing = sizeof(trace_scratch<P>);
    launch(where, value_kernel<P>,
           {heads * (groups + 1), append_threads, shared > tracing ? shared : tracing, true}, s,
           layer, batch, k, v);
    // A block for each entry that may be new, but no more than run at once, or nearly so.
    std::int64_t const most = traced_capacity<P> < groups ? traced_capacity<P> : groups;
    std::int64_t const fitting = std::int64_t{append_blocks} *
                                 device_attribute(cudaDevAttrMultiProcessorCount) / (heads * 2);
    std::int64_t const each = fitting < 1 ? 1 : fitting < most ? fitting : most;
    launch(where, repair_kernel<P>, {each * 2 * heads, append_threads, shared, true}, s, layer,
           batch, k, v);
  } else {
    launch(where, value_kernel<P>, {heads * groups, append_threads, shared, true}, s, layer, batch,
           k, v);
  }
  launch(where, window_kernel<P>, {heads, window_threads, 0, true}, s, layer, batch, k, v);
}

}  // namespace ott
