#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

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
  auto const start = [&](auto* kernel, std::int64_t blocks, std::size_t shared, int threads,
                         auto const&... more) {
    launch(where, kernel, {blocks, threads, shared, true}, s, layer, batch, k, v, more...);
  };
  if constexpr (!bulk::traces) {
    start(key_kernel<P, true>, heads * groups, flushing, append_threads);
    start(value_kernel<P>, heads * groups, flushing, append_threads);
  } else {
    auto const flush = [&](auto early) {
      constexpr bool is_early = decltype(early)::value;
      // A block for each entry that may be new, but no more than half of what runs at once.
      int const at_once = group_blocks * device_attribute(cudaDevAttrMultiProcessorCount);
      int const fitting = static_cast<int>(at_once / 2 / heads);
      int const most = fitting < traced_capacity<P> ? fitting : traced_capacity<P>;
      int const entry_blocks = most < 1 ? 1 : most;
      start(key_kernel<P, is_early>, heads * groups, flushing, append_threads);
      start(trace_kernel<P>, heads, sizeof(trace_scratch<P>), append_threads);
      start(marked_kernel<P, is_early>, heads * (is_early ? entry_blocks + groups : 2 * groups),
            flushing, append_threads, entry_blocks);
    };
    bool early = false;
    if constexpr (bulk::quantizes_early) {
      early = groups >= bulk::many_groups;
      if (early) flush(std::true_type{});
    }
    if (!early) flush(std::false_type{});
  }
  start(window_kernel<P>, heads, 0, window_threads);
}

}  // namespace ott
