#pragma once

#include <cstdint>

#include <ott/algo/append.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/append_kernel.cuh>
#include <ott/cuda/team.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

// Appends of many groups at once: the steps of append_tokens as four launches, all groups side by
// side where the method lets them. Only tracing goes group by group; what it needs of a group, the
// lowest scores, waits in the group's own block until the codes replace it.
namespace ott {

/// A token that tracing may take, as the score kernel leaves it. shape [P::pool] at a block's start
struct trace_candidate {
  std::uint64_t score;
  std::int32_t token;
  std::int32_t reserved;
};

template <class P>
struct bulk_append {
  static constexpr bool traces = flush_scratch<P>::traces;
  static constexpr int candidates = P::pool < P::group ? P::pool : P::group;
  /// Is there room for the candidates where key codes will be?
  static constexpr bool possible =
      candidates * sizeof(trace_candidate) <=
      key_layout<P>::num_code_items * sizeof(typename key_layout<P>::code_type);
  static constexpr int least_rows = 2 * P::group;

  /// Groups that one sequence flushes when it appends `rows`, at most.
  static constexpr int most_groups(int rows) { return rows / P::group + 1; }

  OTT_HD static trace_candidate* candidates_of(group_block<P>& block) {
    return reinterpret_cast<trace_candidate*>(&block);
  }
};

namespace detail {

/// What every block of the four kernels works on: one KV head of one sequence.
/// requires every thread of the block calls
template <class P>
struct append_work {
  sequence_view<P> seq;
  append_plan plan;
  position_rows<P> rows;
  bool complete;  // no page of the plan is missing

  __device__ append_work(layer_view<P> const& layer, batch_view const& batch,
                         view<typename P::element const> k, view<typename P::element const> v,
                         int work)
      : seq{layer.sequence(batch.slot[work / layer.num_kv_heads], work % layer.num_kv_heads)} {
    int const sequence = work / layer.num_kv_heads;
    int const first = batch.row_begin[sequence];
    int const count = batch.row_begin[sequence + 1] - first;
    plan = plan_append(*seq.state, count);
    rows = {seq.state, k.slice(first, count), v.slice(first, count), seq.kv_head, plan.length};
    bool own = true;
    for (int group = plan.num_groups + static_cast<int>(threadIdx.x); group < plan.new_groups;
         group += blockDim.x) {
      own = own && seq.has_page(group);
    }
    complete = __syncthreads_and(own) != 0;  // lengths have been read, too
  }
};

template <class P>
__device__ flush_scratch<P>& shared_scratch() {
  extern __shared__ __align__(128) unsigned char shared[];
  return *reinterpret_cast<flush_scratch<P>*>(shared);
}

}  // namespace detail

/// Scores one group a block and leaves its lowest tokens.
/// shape    grid: groups x sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads)
    score_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                 view<typename P::element const> v) {
  flush_scratch<P>& scratch = detail::shared_scratch<P>();
  int const heads = batch.count * layer.num_kv_heads;
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x) % heads);
  int const group = work.plan.num_groups + static_cast<int>(blockIdx.x) / heads;
  if (group >= work.plan.new_groups || !work.complete) return;
  if (!can_trace(*work.seq.state, layer.pool_capacity)) return;
  block_team const team;
  int const first_pos = group * P::group;
  load_tile<P>(team, scratch, [&](int token) { return work.rows.key(first_pos + token); });
  team.sync();
  score_group<P>(team, scratch, first_pos);
  team.sync();
  rank_lowest<P>(team, scratch);
  team.sync();
  trace_candidate* const out = bulk_append<P>::candidates_of(work.seq.block(group));
  for_each(team, bulk_append<P>::candidates, [&](int i) {
    out[i] = {scratch.scores[scratch.order[i]], scratch.order[i], 0};
  });
}

/// Traces the groups in order, one KV head of one sequence a block; leaves their marks.
/// shape    grid: sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads)
    trace_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                 view<typename P::element const> v) {
  flush_scratch<P>& scratch = detail::shared_scratch<P>();
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x));
  if (!work.complete) return;
  head_state<P>& state = *work.seq.state;
  block_team const team;
  for (int group = work.plan.num_groups; group < work.plan.new_groups; ++group) {
    group_block<P>& block = work.seq.block(group);
    team.sync();                                   // entries and scratch of the group before
    if (!can_trace(state, layer.pool_capacity)) {  // nor will it ever: pools only fill
      constexpr int words = P::group / 32;
      for_each(team, (work.plan.new_groups - group) * words,
               [&](int i) { work.seq.block(group + i / words).v.marks[i % words] = 0; });
      return;
    }
    for_each(team, P::group / 32, [&](int word) { scratch.marks[word] = 0; });
    trace_candidate const* const in = bulk_append<P>::candidates_of(block);
    for_each(team, bulk_append<P>::candidates, [&](int i) {
      scratch.order[i] = in[i].token;
      scratch.scores[in[i].token] = in[i].score;
    });
    team.sync();
    trace_group<P>(team, scratch, state, group * P::group, layer.pool_capacity);
    team.sync();
    detail::copy_traced<P>(team, scratch, state, work.rows);
    for_each(team, P::group / 32, [&](int word) { block.v.marks[word] = scratch.marks[word]; });
  }
}

/// Quantizes one marked group a block. shape grid: groups x sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads)
    quantize_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                    view<typename P::element const> v) {
  flush_scratch<P>& scratch = detail::shared_scratch<P>();
  int const heads = batch.count * layer.num_kv_heads;
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x) % heads);
  int const group = work.plan.num_groups + static_cast<int>(blockIdx.x) / heads;
  if (group >= work.plan.new_groups || !work.complete) return;
  group_block<P>& block = work.seq.block(group);
  block_team const team;
  int const first_pos = group * P::group;
  if (team.rank() == 0) {
    scratch.num_traced = 0;
    for (int word = 0; word < P::group / 32; ++word) {
      scratch.marks[word] = bulk_append<P>::traces ? block.v.marks[word] : 0;
      scratch.num_traced += popcount(scratch.marks[word]);
    }
  }
  if constexpr (flush_scratch<P>::needs_tile) {
    load_tile<P>(team, scratch, [&](int token) { return work.rows.key(first_pos + token); });
  }
  team.sync();
  quantize_group<P>(team, scratch, work.rows, block, first_pos);
}

/// Fills the window and moves the lengths, or raises the flag. shape grid: sequences x KV heads
template <class P>
__global__ void __launch_bounds__(append_threads)
    window_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v) {
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x));
  block_team const team;
  if (!work.complete) {
    if (team.rank() == 0) *layer.flag = 1;
    return;
  }
  head_state<P>& state = *work.seq.state;
  fill_window<P>(team, state, work.plan, work.rows.new_k, work.rows.new_v, work.seq.kv_head);
  if (team.rank() == 0) {
    state.length = work.plan.new_length;
    state.num_groups = work.plan.new_groups;
  }
}

}  // namespace ott
