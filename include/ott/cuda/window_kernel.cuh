#pragma once

#include <ott/algo/team.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/bulk_work.cuh>
#include <ott/cuda/team.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

inline constexpr int window_threads = 512;

/// Fills the window and moves the lengths, or raises the flag. shape grid: sequences x KV heads
template <class P>
__global__ void __launch_bounds__(window_threads)
    window_kernel(layer_view<P> layer, batch_view batch, view<typename P::element const> k,
                  view<typename P::element const> v) {
  using element = typename P::element;
  using rows = detail::new_rows<element>;
  constexpr int row_chunks = P::head_dim / rows::chunk;
  constexpr int at_once = 4;  // loads under way of each tensor, before the kernel ahead has ended
  arch::let_next_kernel_start();
  detail::append_work<P> const work(layer, batch, k, v, static_cast<int>(blockIdx.x));
  sized_team<window_threads> const team;
  bool const complete = work.complete();
  head_state<P>& state = *work.seq.state;
  append_plan const& plan = work.plan;
  rows const keys(work.rows.new_k, work.seq.kv_head);
  rows const values(work.rows.new_v, work.seq.kv_head);
  if (complete && keys.aligned() && values.aligned()) {
    int const begin = plan.new_groups * P::group;
    int const first = begin > plan.length ? begin : plan.length;
    int const count = (plan.new_length - first) * row_chunks;
    for (int begin_at = 0; begin_at < count; begin_at += at_once * window_threads) {
      uint4 held[2][at_once];
      OTT_UNROLL
      for (int n = 0; n < at_once; ++n) {
        int const i = begin_at + n * window_threads + team.rank();
        int const row = first - plan.length + i / row_chunks;
        int const channel = i % row_chunks * rows::chunk;
        if (i < count) {
          held[0][n] = *reinterpret_cast<uint4 const*>(keys.at(row, channel));
          held[1][n] = *reinterpret_cast<uint4 const*>(values.at(row, channel));
        }
      }
      arch::wait_for_kernel_ahead();  // it may read rows that these replace
      OTT_UNROLL
      for (int n = 0; n < at_once; ++n) {
        int const i = begin_at + n * window_threads + team.rank();
        int const to =
            head_state<P>::window_row(first + i / row_chunks) + i % row_chunks * rows::chunk;
        if (i < count) {
          *reinterpret_cast<uint4*>(state.window_k + to) = held[0][n];
          *reinterpret_cast<uint4*>(state.window_v + to) = held[1][n];
        }
      }
    }
  } else if (complete) {
    arch::wait_for_kernel_ahead();
    fill_window<P>(team, state, plan, work.rows.new_k, work.rows.new_v, work.seq.kv_head);
  }
  arch::wait_for_kernel_ahead();
  if (team.rank() != 0) return;
  if (!complete) {
    *layer.flag = 1;
  } else {
    state.length = plan.new_length;
    state.num_groups = plan.new_groups;
    state.tracing_done = 0;
  }
}

}  // namespace ott
