#pragma once

#include "captured.hpp"
#include "exact.hpp"

#include "support/trace.hpp"

#include <vector>

namespace eval {

/// How far one policy is from exact attention in one layer, all in double precision. Errors are
/// relative: the norm of the difference over the norm of the exact, over all heads.
struct layer_metrics {
  int layer = 0;
  double k_error = 0, v_error = 0;  // keys and values as attention reads them
  double logit_error = 0;           // scaled scores
  double out_error = 0;             // what the library's attention returned
  double lse_error = 0;             // largest difference
  double kl = 0;                    // KL(exact || policy) of the attention weights, mean, in nats
  std::vector<std::vector<int>> traced;  // positions, [kv_heads]
};

layer_metrics measure(support::kv_trace const& trace, support::trace_layer const& layer,
                      exact_layer const& exact, captured_layer const& captured);

/// One policy: the mean over its layers, and the layers.
struct policy_metrics {
  layer_metrics mean;
  int traced_tokens = 0;
  std::vector<layer_metrics> layers;
};

policy_metrics summarize(std::vector<layer_metrics> layers);

}  // namespace eval
