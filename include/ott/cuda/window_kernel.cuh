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

}  // namespace ott
