#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include <ott/core/exact.hpp>
#include <ott/layout/layer_view.hpp>

#include "support/filled_cache.hpp"

// Attention in float64 on the host, over the dequantized cache as the device holds it.
namespace ott_bench {

/// One KV head of one sequence, brought to the host.
template <class P>
struct host_head {
  std::unique_ptr<ott::head_state<P>> state = std::make_unique<ott::head_state<P>>();
  std::vector<ott::group_block<P>> blocks;
};

template <class P>
host_head<P> download(filled_cache<P> const& f, int layer, int sequence, int kv_head) {
  int const slot = f.cache->slot_of(f.sequences[static_cast<std::size_t>(sequence)]);
  auto const view = f.cache->layer(layer).sequence(slot, kv_head);
  host_head<P> head;
  auto const fetch = [](void* to, void const* from, std::size_t bytes) {
    check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "download");
  };
  fetch(head.state.get(), view.state, sizeof *view.state);
  auto const groups = static_cast<std::size_t>(head.state->num_groups);
  std::vector<std::int32_t> pages(groups);
  fetch(pages.data(), view.pages, groups * sizeof(std::int32_t));
  head.blocks.resize(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    fetch(&head.blocks[g],
          view.blocks + static_cast<std::int64_t>(pages[g]) * view.num_kv_heads + kv_head,
          sizeof(ott::group_block<P>));
  }
  return head;
}

/// Softmax over scores as they come, in float64.
class exact_fold {
 public:
  explicit exact_fold(int channels) : out_(static_cast<std::size_t>(channels), 0.0) {}

  template <class T>
  void add(double score, T const* value) {
    if (score > max_) {
      double const shrink = std::exp(max_ - score);
      sum_ *= shrink;
      for (double& x : out_) x *= shrink;
      max_ = score;
    }
    double const weight = std::exp(score - max_);
    sum_ += weight;
    for (std::size_t c = 0; c < out_.size(); ++c) out_[c] += weight * static_cast<double>(value[c]);
  }
  double max() const { return max_; }
  double sum() const { return sum_; }
  std::vector<double> const& out() const { return out_; }

 private:
  double max_ = -1e300;
  double sum_ = 0;
  std::vector<double> out_;
};

/// One query row, raw.
template <class P>
struct reference_query {
  int pos;
  std::vector<float> row;  // [head_dim]
  std::vector<float> rotated = {};
  exact_fold groups{P::head_dim};
  exact_fold exact{P::head_dim};
};

namespace detail {

/// Folds one token into every query that sees it.
template <class P, class Row>
void fold_token(std::vector<reference_query<P>>& queries, int pos, bool in_group, Row const& key,
                Row const& value) {
  double const scale = 1.0 / std::sqrt(static_cast<double>(P::head_dim));
  for (reference_query<P>& query : queries) {
    if (pos > query.pos) continue;
    std::vector<float> const& q = in_group ? query.rotated : query.row;
    double score = 0;
    for (std::size_t c = 0; c < q.size(); ++c) {
      score += static_cast<double>(q[c]) * static_cast<double>(key[c]);
    }
    (in_group ? query.groups : query.exact).add(score * scale, value);
  }
}

/// Groups and exact rows joined; groups leave the rotated space.
template <class P>
std::vector<double> joined(reference_query<P> const& query) {
  double const top = std::fmax(query.groups.max(), query.exact.max());
  double const of_groups = std::exp(query.groups.max() - top);
  double const of_exact = std::exp(query.exact.max() - top);
  double const sum = of_groups * query.groups.sum() + of_exact * query.exact.sum();
  std::vector<double> out = query.groups.out();
  if constexpr (!P::value_rotation::identity) {
    std::vector<float> narrow(out.begin(), out.end());
    P::value_rotation::template apply<P::head_dim>(narrow.data());
    out.assign(narrow.begin(), narrow.end());
  }
  for (std::size_t c = 0; c < out.size(); ++c) {
    out[c] = (of_groups * out[c] + of_exact * query.exact.out()[c]) / sum;
  }
  return out;
}

}  // namespace detail

/// What the queries must give: [query][head_dim].
template <class P>
std::vector<std::vector<double>> reference(host_head<P> const& head,
                                           std::vector<reference_query<P>> queries) {
  constexpr int D = P::head_dim;
  for (reference_query<P>& query : queries) {
    query.rotated = query.row;
    P::key_rotation::template apply<D>(query.rotated.data());
  }
  float key[D];
  float value[D];
  for (std::size_t g = 0; g < head.blocks.size(); ++g) {
    for (int t = 0; t < P::group; ++t) {
      if (head.blocks[g].marked(t)) continue;
      for (int c = 0; c < D; ++c) key[c] = head.blocks[g].key(t, c);
      for (int c = 0; c < D; ++c) value[c] = head.blocks[g].value(t, c);
      detail::fold_token<P>(queries, static_cast<int>(g) * P::group + t, true, key, value);
    }
  }
  ott::head_state<P> const& state = *head.state;
  auto const fold_row = [&](int pos, typename P::element const* k, typename P::element const* v) {
    for (int c = 0; c < D; ++c) key[c] = ott::to_float(k[c]);
    for (int c = 0; c < D; ++c) value[c] = ott::to_float(v[c]);
    detail::fold_token<P>(queries, pos, false, key, value);
  };
  for (int e = 0; e < state.num_traced; ++e) {
    fold_row(state.entries[e].pos, state.traced_k + e * D, state.traced_v + e * D);
  }
  for (int pos = state.window_begin(); pos < state.length; ++pos) {
    int const row = ott::head_state<P>::window_row(pos);
    fold_row(pos, state.window_k + row, state.window_v + row);
  }
  std::vector<std::vector<double>> out;
  for (reference_query<P> const& query : queries) out.push_back(detail::joined<P>(query));
  return out;
}

}  // namespace ott_bench
