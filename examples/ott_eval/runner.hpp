#pragma once

#include "capture.hpp"
#include "instance.hpp"
#include "policies.hpp"

#include "support/trace.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ott/attention.hpp>
#include <ott/cache/cache.hpp>

namespace eval {

template <class T>
inline constexpr support::dtype dtype_of = support::dtype::f32;
template <>
inline constexpr support::dtype dtype_of<ott::half> = support::dtype::f16;
template <>
inline constexpr support::dtype dtype_of<ott::bf16> = support::dtype::bf16;

inline double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

/// One trace in one cache: append, attend, and read everything back.
template <class P, class Backend>
class trace_runner {
  using element = typename P::element;
  using buffer = ott::buffer<Backend>;

 public:
  explicit trace_runner(support::kv_trace const& trace)
      : trace_{trace}, cache_{config_for(trace), stream_}, seq_{cache_.create(stream_)} {}

  void append(std::int64_t chunk, progress& bar, policy_run& result) {
    std::vector<buffer> k, v;
    for (auto const& layer : trace_.layers) {
      k.push_back(upload(layer.k.data(), layer.k.size()));
      v.push_back(upload(layer.v.data(), layer.v.size()));
    }
    wait();
    auto batch = cache_.make_batch(1);
    auto const start = std::chrono::steady_clock::now();
    for (int first = 0; first < tokens();) {
      int const rows =
          static_cast<int>(std::min<std::int64_t>(chunk > 0 ? chunk : tokens(), tokens() - first));
      cache_.assign(batch, {{seq_, rows}}, stream_);
      for (int layer = 0; layer < num_layers(); ++layer) {
        cache_.append(batch, layer, rows_of(k[at(layer)]).slice(first, rows),
                      rows_of(v[at(layer)]).slice(first, rows), stream_);
        bar.step(rows);
      }
      first += rows;
    }
    wait();
    result.append_ms = ms_since(start);
  }

  void attend(policy_run& result) {
    for (int layer = 0; layer < num_layers(); ++layer) {
      auto const& source = trace_.layers[at(layer)];
      auto& to = result.layers[at(layer)];
      int const rows = static_cast<int>(source.queries()), heads = static_cast<int>(trace_.q_heads);
      // fp32 queries, so that fp32 outputs show the cache's error and not the output's rounding.
      std::vector<float> wide(at(rows) * at(heads) * P::head_dim);
      for (std::size_t i = 0; i < wide.size(); ++i)
        wide[i] = static_cast<float>(support::element_at(trace_.element, source.q.data(), i));
      std::vector<std::int32_t> const pos(source.q_pos.begin(), source.q_pos.end());
      to.out.resize(wide.size());
      to.lse.resize(at(rows) * at(heads));
      buffer const q = upload(wide.data(), sizeof(float) * wide.size());
      buffer const q_pos = upload(pos.data(), sizeof(std::int32_t) * pos.size());
      buffer const out = allocate(sizeof(float) * to.out.size());
      buffer const lse = allocate(sizeof(float) * to.lse.size());
      auto const batch = cache_.make_batch({{seq_, rows}}, stream_);
      wait();
      auto const start = std::chrono::steady_clock::now();
      ott::attend(cache_, batch, layer,
                  ott::dense_view(q.template as<float const>(), rows, heads, P::head_dim),
                  ott::dense_view(out.template as<float>(), rows, heads, P::head_dim),
                  {.scale = static_cast<float>(trace_.softmax_scale),
                   .q_pos = q_pos.template as<std::int32_t const>(),
                   .lse = lse.template as<float>()},
                  stream_);
      wait();
      result.attend_ms += ms_since(start);
      download(to.out.data(), out.as(), sizeof(float) * to.out.size());
      download(to.lse.data(), lse.as(), sizeof(float) * to.lse.size());
      wait();
    }
  }

  void capture(policy_run& result) {
    int const slot = cache_.slot_of(seq_), heads = static_cast<int>(trace_.kv_heads);
    int const groups = ott::groups_after<P>(0, tokens());
    std::vector<std::int32_t> pages(at(groups));
    auto const block = std::make_unique<ott::group_block<P>>();
    auto const state = std::make_unique<ott::head_state<P>>();
    for (int layer = 0; layer < num_layers(); ++layer) {
      auto const view = cache_.layer(layer);
      layer_capture<P> to{result.layers[at(layer)], groups, heads, tokens()};
      for (int head = 0; head < heads; ++head) {
        auto sequence = view.sequence(slot, head);
        download(pages.data(), sequence.pages, sizeof(std::int32_t) * pages.size());
        download(state.get(), sequence.state, sizeof *state);
        wait();
        for (int group = 0; group < groups; ++group) {
          auto const row = std::int64_t{pages[at(group)]} * heads + head;
          download(block.get(), view.blocks + row, sizeof *block);
          wait();
          to.add_block(group, head, *block);
        }
        to.add_state(head, *state);
      }
    }
  }

 private:
  static std::size_t at(int index) { return static_cast<std::size_t>(index); }

  static ott::cache_config config_for(support::kv_trace const& trace) {
    std::int64_t rows = 1;
    for (auto const& layer : trace.layers) rows = std::max(rows, layer.queries());
    ott::cache_config config;
    config.num_layers = static_cast<int>(trace.layers.size());
    config.num_kv_heads = static_cast<int>(trace.kv_heads);
    config.num_q_heads = static_cast<int>(trace.q_heads);
    config.max_tokens = static_cast<int>(trace.tokens);
    config.max_query_rows = static_cast<int>(rows);
    return config;
  }

  int tokens() const { return static_cast<int>(trace_.tokens); }
  int num_layers() const { return static_cast<int>(trace_.layers.size()); }

  ott::view<element const> rows_of(buffer const& b) const {
    return ott::dense_view(b.template as<element const>(), tokens(),
                           static_cast<int>(trace_.kv_heads), P::head_dim);
  }

  buffer allocate(std::size_t bytes) { return {cache_.get_backend(), {}, bytes}; }
  buffer upload(void const* from, std::size_t bytes) {
    buffer to = allocate(bytes);
    cache_.get_backend().copy(to.as(), from, bytes, stream_);
    return to;
  }
  void download(void* to, void const* from, std::size_t bytes) {
    if (bytes > 0) cache_.get_backend().copy(to, from, bytes, stream_);
  }
  void wait() { cache_.get_backend().wait(stream_); }

  support::kv_trace const& trace_;
  typename Backend::stream stream_{};
  ott::cache<P, Backend> cache_;
  ott::seq_id seq_;
};

template <class P, class Backend>
void run_policy(support::kv_trace const& trace, std::int64_t chunk, progress& bar,
                policy_run& result) {
  trace_runner<P, Backend> runner{trace};
  result.facts = facts_of<P>();
  result.bits_stored =
      ott::footprint<P>::bits_per_element_of_sequence(static_cast<int>(trace.tokens));
  result.layers.resize(trace.layers.size());
  runner.append(chunk, bar, result);
  runner.attend(result);
  runner.capture(result);
}

template <class P, template <class> class Backend>
instance instance_of(std::string policy, char const* backend) {
  return {std::move(policy), backend, dtype_of<typename P::element>, P::head_dim,
          &run_policy<P, Backend<P>>};
}

}  // namespace eval
