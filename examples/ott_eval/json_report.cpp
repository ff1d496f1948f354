#include "json_report.hpp"

#include "exact.hpp"
#include "table.hpp"

#include "support/input_error.hpp"

#include <cmath>
#include <cstddef>
#include <fstream>

#include <nlohmann/json.hpp>

namespace eval {
namespace {

using json = nlohmann::ordered_json;

json errors_of(layer_metrics const& m) {
  return {{"k", m.k_error},        {"v", m.v_error}, {"logits", m.logit_error},
          {"output", m.out_error}, {"kl", m.kl},     {"lse", m.lse_error}};
}

json trace_of(support::kv_trace const& trace) {
  return {{"path", trace.path},
          {"source", trace.source},
          {"element", support::name_of(trace.element)},
          {"tokens", trace.tokens},
          {"kv_heads", trace.kv_heads},
          {"q_heads", trace.q_heads},
          {"head_dim", trace.head_dim},
          {"softmax_scale", trace.softmax_scale}};
}

json run_of(support::kv_trace const& trace, policy_run const& run, policy_metrics const& metrics) {
  json layers = json::array();
  for (auto const& m : metrics.layers)
    layers.push_back({{"layer", m.layer}, {"error", errors_of(m)}, {"traced", m.traced}});
  return {{"policy", run.policy},
          {"backend", run.backend},
          {"bits_per_element", run.facts.bits_per_element},
          {"bits_stored", run.bits_stored},
          {"compression", compression(trace, run)},
          {"traced_tokens", metrics.traced_tokens},
          {"append_ms", run.append_ms},
          {"attend_ms", run.attend_ms},
          {"error", errors_of(metrics.mean)},
          {"layers", layers}};
}

// Six digits are plenty for a plot and a third of the file.
json magnitudes_of(support::kv_trace const& trace, support::trace_layer const& layer) {
  auto const norms = magnitudes(trace, layer);
  auto const tokens = static_cast<std::size_t>(trace.tokens);
  json heads = json::array();
  for (std::size_t first = 0; first < norms.size(); first += tokens) {
    json head = json::array();
    for (std::size_t t = first; t < first + tokens; ++t)
      head.push_back(std::round(norms[t] * 1e3) / 1e3);
    heads.push_back(std::move(head));
  }
  return heads;
}

}  // namespace

void write_json(std::string const& path, support::kv_trace const& trace,
                std::vector<policy_run> const& runs, std::vector<policy_metrics> const& metrics) {
  json report{{"trace", trace_of(trace)}};
  auto& policies = report["policies"] = json::array();
  for (std::size_t i = 0; i < runs.size(); ++i)
    policies.push_back(run_of(trace, runs[i], metrics[i]));
  auto& keys = report["key_magnitude"] = json::array();
  for (auto const& layer : trace.layers)
    keys.push_back({{"layer", layer.index}, {"heads", magnitudes_of(trace, layer)}});
  std::ofstream out(path);
  out << report.dump() << '\n';
  out.close();
  if (!out)
    throw support::input_error(support::printable(path, 400), "cannot write", "an error",
                               "a writable file");
}

}  // namespace eval
