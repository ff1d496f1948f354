#pragma once

#include "support/trace.hpp"

#include <cstdint>
#include <vector>

namespace eval {

/// One layer of a trace in double precision.
/// shape    k, v: [kv_heads, tokens, head_dim]; q: [queries, q_heads, head_dim]
struct exact_layer {
  std::vector<double> k, v, q;
};

exact_layer widen(support::kv_trace const& trace, support::trace_layer const& layer);

/// Scaled scores of one query over positions 0..last.
void logits(double const* q, double const* keys, std::int64_t last, std::int64_t head_dim,
            double scale, std::vector<double>& result);

/// log of the sum of exp.
double log_sum_exp(std::vector<double> const& values);

/// L1 norm of every key: [kv_heads, tokens].
std::vector<double> magnitudes(support::kv_trace const& trace, support::trace_layer const& layer);

}  // namespace eval
