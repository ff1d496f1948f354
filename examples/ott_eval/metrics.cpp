#include "metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace eval {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// |a - b| / |b| over whatever was added.
struct relative_error {
  double difference = 0, exact = 0;

  void add(double a, double b) {
    difference += (a - b) * (a - b);
    exact += b * b;
  }
  double value() const { return exact > 0 ? std::sqrt(difference / exact) : std::sqrt(difference); }
};

double error_of(std::vector<double> const& a, std::vector<double> const& b) {
  relative_error error;
  for (std::size_t i = 0; i < a.size(); ++i) error.add(a[i], b[i]);
  return error.value();
}

// One (query, head): weights of both, and what follows from them.
struct query_metrics {
  relative_error& logit_error;
  relative_error& out_error;
  double kl = 0, lse_error = 0;
  std::vector<double> exact_scores, scores, exact_out;
};

void measure_query(query_metrics& m, double const* q, double const* exact_k, double const* exact_v,
                   double const* seen_k, std::int64_t last, std::int64_t dim, double scale,
                   float const* out, float lse) {
  logits(q, exact_k, last, dim, scale, m.exact_scores);
  logits(q, seen_k, last, dim, scale, m.scores);
  auto const exact_lse = log_sum_exp(m.exact_scores), seen_lse = log_sum_exp(m.scores);
  m.exact_out.assign(at(dim), 0.0);
  double kl = 0;
  for (std::int64_t t = 0; t <= last; ++t) {
    auto const s = m.exact_scores[at(t)];
    auto const p = std::exp(s - exact_lse);
    m.logit_error.add(m.scores[at(t)], s);
    kl += p * ((s - exact_lse) - (m.scores[at(t)] - seen_lse));
    for (std::int64_t c = 0; c < dim; ++c) m.exact_out[at(c)] += p * exact_v[t * dim + c];
  }
  m.kl += std::max(kl, 0.0);  // below zero only by rounding
  m.lse_error = std::max(m.lse_error, std::fabs(double{lse} - exact_lse));
  for (std::int64_t c = 0; c < dim; ++c) m.out_error.add(double{out[c]}, m.exact_out[at(c)]);
}

std::vector<std::vector<int>> traced_positions(captured_layer const& captured,
                                               std::int64_t kv_heads) {
  std::vector<std::vector<int>> traced(at(kv_heads));
  for (auto const* positions : {&captured.pool_pos, &captured.evicted_pos})
    for (std::size_t i = 0; i < positions->size(); ++i)
      if ((*positions)[i] >= 0)
        traced[i / (positions->size() / traced.size())].push_back((*positions)[i]);
  for (auto& positions : traced) std::sort(positions.begin(), positions.end());
  return traced;
}

}  // namespace

layer_metrics measure(support::kv_trace const& trace, support::trace_layer const& layer,
                      exact_layer const& exact, captured_layer const& captured) {
  layer_metrics result;
  result.layer = layer.index;
  result.k_error = error_of(captured.seen_k, exact.k);
  result.v_error = error_of(captured.seen_v, exact.v);
  relative_error logit_error, out_error;
  query_metrics m{logit_error, out_error, 0, 0, {}, {}, {}};
  auto const dim = trace.head_dim, shared = trace.q_heads / trace.kv_heads;
  for (std::int64_t i = 0; i < layer.queries(); ++i) {
    for (std::int64_t h = 0; h < trace.q_heads; ++h) {
      auto const row = i * trace.q_heads + h;
      auto const head = at(h / shared * trace.tokens * dim);
      measure_query(m, &exact.q[at(row * dim)], &exact.k[head], &exact.v[head],
                    &captured.seen_k[head], layer.q_pos[at(i)], dim, trace.softmax_scale,
                    &captured.out[at(row * dim)], captured.lse[at(row)]);
    }
  }
  result.logit_error = logit_error.value();
  result.out_error = out_error.value();
  result.lse_error = m.lse_error;
  result.kl = m.kl / static_cast<double>(layer.queries() * trace.q_heads);
  result.traced = traced_positions(captured, trace.kv_heads);
  return result;
}

policy_metrics summarize(std::vector<layer_metrics> layers) {
  policy_metrics result;
  auto const share = 1.0 / static_cast<double>(layers.size());
  for (auto const& layer : layers) {
    result.mean.k_error += share * layer.k_error;
    result.mean.v_error += share * layer.v_error;
    result.mean.logit_error += share * layer.logit_error;
    result.mean.out_error += share * layer.out_error;
    result.mean.kl += share * layer.kl;
    result.mean.lse_error = std::max(result.mean.lse_error, layer.lse_error);
    for (auto const& head : layer.traced) result.traced_tokens += static_cast<int>(head.size());
  }
  result.layers = std::move(layers);
  return result;
}

}  // namespace eval
