#include "exact.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace eval {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// [tokens, heads, D] elements -> [heads, tokens, D] doubles.
std::vector<double> by_head(support::kv_trace const& trace, std::vector<std::byte> const& raw) {
  auto const heads = trace.kv_heads, dim = trace.head_dim;
  std::vector<double> wide(at(heads * trace.tokens * dim));
  for (std::int64_t t = 0; t < trace.tokens; ++t)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t c = 0; c < dim; ++c)
        wide[at((h * trace.tokens + t) * dim + c)] =
            support::element_at(trace.element, raw.data(), at((t * heads + h) * dim + c));
  return wide;
}

double dot(double const* a, double const* b, std::int64_t size) {
  // Four sums, so that an addition need not wait for the one before it.
  double sum[4] = {};
  std::int64_t i = 0;
  for (; i + 4 <= size; i += 4)
    for (std::int64_t j = 0; j < 4; ++j) sum[j] += a[i + j] * b[i + j];
  for (; i < size; ++i) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

exact_layer widen(support::kv_trace const& trace, support::trace_layer const& layer) {
  exact_layer wide{by_head(trace, layer.k), by_head(trace, layer.v), {}};
  wide.q.resize(at(layer.queries() * trace.q_heads * trace.head_dim));
  for (std::size_t i = 0; i < wide.q.size(); ++i)
    wide.q[i] = support::element_at(trace.element, layer.q.data(), i);
  return wide;
}

void logits(double const* q, double const* keys, std::int64_t last, std::int64_t head_dim,
            double scale, std::vector<double>& result) {
  result.resize(at(last + 1));
  for (std::int64_t t = 0; t <= last; ++t)
    result[at(t)] = scale * dot(q, keys + t * head_dim, head_dim);
}

double log_sum_exp(std::vector<double> const& values) {
  auto const top = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (auto const value : values) sum += std::exp(value - top);
  return top + std::log(sum);
}

std::vector<double> magnitudes(support::kv_trace const& trace, support::trace_layer const& layer) {
  auto const keys = by_head(trace, layer.k);
  std::vector<double> norms(at(trace.kv_heads * trace.tokens));
  for (std::size_t i = 0; i < keys.size(); ++i) norms[i / at(trace.head_dim)] += std::fabs(keys[i]);
  return norms;
}

}  // namespace eval
