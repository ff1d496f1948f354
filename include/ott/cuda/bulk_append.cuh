#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/core/view.hpp>
#include <ott/cuda/bulk_append_kernel.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/window_kernel.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// Launches what a bulk append takes. shape k, v: [tokens, kv_heads, head_dim]
template <class P>
void append_in_bulk(char const* where, layer_view<P> const& layer, batch_view const& batch,
                    view<typename P::element const> k, view<typename P::element const> v,
                    cuda_stream s) {
  using bulk = bulk_append<P>;
  std::int64_t const heads = std::int64_t{batch.count} * layer.num_kv_heads;
  int const groups = bulk::most_groups(batch.max_rows);
  std::size_t const flushing = sizeof(flush_scratch<P>);
  auto const start = [&](auto* kernel, std::int64_t blocks, std::size_t shared,
                         int threads = append_threads) {
    launch(where, kernel, {blocks, threads, shared, true}, s, layer, batch, k, v);
  };
  auto const quantize_early = [&] {
    start(key_kernel<P, true>, heads * groups, flushing);
    if constexpr (!bulk::traces) {
      start(value_kernel<P, true>, heads * groups, flushing);
    } else {
      std::size_t const tracing = sizeof(trace_scratch<P>);
      start(value_kernel<P, true>, heads * (groups + 1), flushing > tracing ? flushing : tracing);
      // A block for each entry that may be new, but no more than run at once, or nearly so.
      int const at_once = append_blocks * device_attribute(cudaDevAttrMultiProcessorCount);
      std::int64_t const fitting = at_once / (2 * heads);
      std::int64_t const most = fitting < traced_capacity<P> ? fitting : traced_capacity<P>;
      start(marked_kernel<P, true>, 2 * heads * (most < 1 ? 1 : most), flushing);
    }
  };
  if constexpr (!bulk::traces) {
    quantize_early();
  } else {
    bool early = false;
    if constexpr (bulk::quantizes_early) {
      early = groups >= bulk::many_groups;
      if (early) quantize_early();
    }
    if (!early) {
      start(key_kernel<P, false>, heads * groups, flushing);
      start(value_kernel<P, false>, heads, sizeof(trace_scratch<P>));
      start(marked_kernel<P, false>, 2 * heads * groups, flushing);
    }
  }
  start(window_kernel<P>, heads, 0, window_threads);
}

}  // namespace ott
