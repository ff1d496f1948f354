#include "table.hpp"

#include <cstdarg>
#include <cstdio>
#include <ostream>
#include <string>

namespace eval {
namespace {

[[gnu::format(printf, 1, 2)]] std::string format(char const* pattern, ...) {
  char text[256];
  std::va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

}  // namespace

double compression(support::kv_trace const& trace, policy_run const& run) {
  return 8.0 * support::bytes_of(trace.element) / run.bits_stored;
}

void print_heading(std::ostream& out, support::kv_trace const& trace) {
  out << trace.path << '\n';
  if (!trace.source.empty()) out << "  " << support::printable(trace.source, 160) << '\n';
  out << format("  %zu layers, %lld tokens, %lld KV heads, %lld query heads, head_dim %lld, %s\n\n",
                trace.layers.size(), static_cast<long long>(trace.tokens),
                static_cast<long long>(trace.kv_heads), static_cast<long long>(trace.q_heads),
                static_cast<long long>(trace.head_dim), support::name_of(trace.element).data());
  out << format("%-10s %6s %6s %6s  %8s %8s %8s %8s %9s  %6s %9s  %s\n", "policy", "bits", "stored",
                "ratio", "K", "V", "logits", "output", "KL", "traced", "ms", "on");
}

void print_row(std::ostream& out, support::kv_trace const& trace, policy_run const& run,
               policy_metrics const& metrics) {
  auto const& m = metrics.mean;
  out << format("%-10s %6.3f %6.3f %5.2fx  %8.5f %8.5f %8.5f %8.5f %9.2e  %6d %9.2f  %s\n",
                run.policy.c_str(), run.facts.bits_per_element, run.bits_stored,
                compression(trace, run), m.k_error, m.v_error, m.logit_error, m.out_error, m.kl,
                metrics.traced_tokens, run.append_ms + run.attend_ms, run.backend.c_str())
      << std::flush;
}

void print_legend(std::ostream& out) {
  out << "\nbits: codes, parameters, factors of an element; stored: with marks, padding, window,\n"
         "pools at this length; ratio: the trace's own type over stored. K, V, logits, output:\n"
         "|difference| / |exact|; KL of the attention weights in nats; means over the layers.\n"
         "traced: tokens of all layers and KV heads; ms: append and attend.\n";
}

}  // namespace eval
