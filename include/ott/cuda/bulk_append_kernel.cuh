#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/algo/lowest_tokens.hpp>
#include <ott/algo/quantize_untraced.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/append_kernel.cuh>
#include <ott/cuda/arch/device_flag.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/bulk_work.cuh>
#include <ott/cuda/estimated_tokens.cuh>
#include <ott/cuda/team.cuh>
#include <ott/cuda/trace_head.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

// Appends of many groups at once: the steps of append_tokens as four launches, all groups side by
// side. Only tracing goes group by group. Early: while it does, groups are quantized as if nothing
// were traced, and the few in which something is are quantized again.
//
// Each launch starts while the one ahead of it runs, and waits for it where it must: lengths and
// pages stay what they are until the last launch, and so do K and V.
namespace ott {

inline constexpr int group_blocks = 5;  // of one SM, where marks play no part

namespace detail {

/// Quantizes what is in the tile, or on its way there, by the marks of its group; with the keys the
/// rows of traced tokens are kept, whose entries are not before `entry`.
template <class P, bool Early>
__device__ void quantize_marked(flush_scratch<P>& scratch, append_work<P> const& work, bool keys,
                                int group, int entry) {
  bulk_team const team;
  head_state<P>& state = *work.seq.state;
  group_block<P>& block = work.seq.block(group);
  take_marks(scratch, block.v.marks);
  settle(team);
  team.sync();
  if (keys) {
    if (scratch.num_traced != 0) {
      while (state.entries[entry].pos / P::group != group) ++entry;
      copy_traced<P>(team, state, work.rows, entry, scratch.num_traced);
    }
    quantize_keys<P>(team, scratch, work.rows, block, group * P::group);
  } else {
    quantize_values<P>(team, scratch, work.rows, block, group * P::group, whole_tensor{}, [] {
      if constexpr (Early) arch::wait_for_kernel_ahead();
    });
  }
}

}  // namespace detail

/// Scores the keys of one group a block and leaves the lowest tokens as candidates. Early:
/// quantizes them, too, as if none were traced. shape grid: groups x sequences x KV heads
template <class P, bool Early>
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
  bulk_team const team;
  bool const scores =
      bulk::traces && pools_have_room<P>(work.seq.state->num_traced, layer.pool_capacity);
  if (scores || (Early && !exact_keys<P>)) detail::load_group(scratch, work, true, group);
  detail::take_marks(scratch, nullptr);
  bool const complete = work.complete();
  settle(team);
  if (!complete) return;
  team.sync();
  group_block<P>& block = work.seq.block(group);
  auto const leave = [&](int rank, int token) {
    bulk::candidates_of(block)[rank] = {scratch.scores[token], token, 0};
  };
  using estimated = estimated_tokens<P, decltype(leave)>;
  using lowest_type =
      std::conditional_t<estimated::possible, estimated, lowest_tokens<P, decltype(leave)>>;
  lowest_type const lowest{scratch, leave};
  if constexpr (Early && flush_scratch<P>::holds_elements && !exact_keys<P>) {
    quantize_untraced_keys<P>(team, scratch, block, scores, lowest);
  } else {
    if constexpr (bulk::traces) {
      if (scores) {
        if constexpr (sums_integers<typename P::selection, typename P::element>) {
          lowest.sum(team);
          team.sync();
          lowest.join(team);
        } else {
          score_group<P>(team, scratch, group * P::group);
        }
        team.sync();
        lowest.rank(team);
        team.sync();
        lowest.find(team);
        team.sync();
      }
    }
    if constexpr (Early) quantize_keys<P>(team, scratch, work.rows, block, group * P::group);
  }
}

/// Traces, one head a block. Early: the blocks after those quantize the values of one group each as
/// if none were traced. shape grid: sequences x KV heads if the policy traces; groups x the same
template <class P, bool Early>
__global__ void __launch_bounds__(append_threads, group_blocks)
    value_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                 view<typename P::element const> v) {
  arch::let_next_kernel_start();
  int const heads = batch.count * layer.num_kv_heads;
  int const block = static_cast<int>(blockIdx.x) - (bulk_append<P>::traces ? heads : 0);
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x) % heads);
  bulk_team const team;
  int const group = work.plan.num_groups + block / heads;
  bool const due = Early && block >= 0 && group < work.plan.new_groups;
  auto& scratch = detail::shared_as<flush_scratch<P>>();
  if (due && !exact_values<P>) detail::load_group(scratch, work, false, group);
  if (due) detail::take_marks(scratch, nullptr);
  bool const complete = work.complete();
  settle(team);
  team.sync();
  if constexpr (Early) {
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
  }
  if constexpr (bulk_append<P>::traces) {
    if (complete && block < 0) detail::trace_head(work, layer.pool_capacity);
  }
  arch::wait_for_kernel_ahead();  // who waits for this kernel waits for the keys, too
}

/// Quantizes one tensor of groups whose marks are known, and keeps the rows of traced tokens.
/// Early: only groups in which there are such, some entries of a head a block; else one group a
/// block.
/// shape    grid: any x 2 x sequences x KV heads
template <class P, bool Early>
__global__ void __launch_bounds__(append_threads, append_blocks)
    marked_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v) {
  arch::let_next_kernel_start();
  auto& scratch = detail::shared_as<flush_scratch<P>>();
  int const heads = batch.count * layer.num_kv_heads;
  int const block = static_cast<int>(blockIdx.x);
  bool const keys = block / heads % 2 == 0;
  int const own = block / heads / 2;
  detail::append_work<P> const work(layer, batch, k, v, block % heads);
  bulk_team const team;
  head_state<P>& state = *work.seq.state;
  bool const due = Early || work.plan.num_groups + own < work.plan.new_groups;
  if (!Early && due && (keys ? !exact_keys<P> : !exact_values<P>)) {
    detail::load_group(scratch, work, keys, work.plan.num_groups + own);
  }
  bool const complete = work.complete();
  if constexpr (Early) {
    if (complete) {
      if (team.rank() == 0) arch::wait_for_flag(&state.tracing_done);
      team.sync();
      int const stride = static_cast<int>(gridDim.x) / heads / 2;
      for (int entry = own; entry < state.num_traced; entry += stride) {
        // Entries of a group follow each other: the first stands for all.
        int const group = state.entries[entry].pos / P::group;
        if (group < work.plan.num_groups) continue;
        if (entry > 0 && state.entries[entry - 1].pos / P::group == group) continue;
        team.sync();  // the scratch of the entry before is no longer read
        if (keys ? !exact_keys<P> : !exact_values<P>) {
          detail::load_group(scratch, work, keys, group);
        }
        detail::quantize_marked<P, Early>(scratch, work, keys, group, entry);
      }
    }
    arch::wait_for_kernel_ahead();  // who waits for this kernel waits for the values, too
  } else {
    arch::wait_for_kernel_ahead();
    if (!complete || !due) return;
    detail::quantize_marked<P, Early>(scratch, work, keys, work.plan.num_groups + own, 0);
  }
}

}  // namespace ott
