// Runs KV-cache policies over a recorded KV trace and compares each with exact attention.
#include "choose.hpp"
#include "dump.hpp"
#include "exact.hpp"
#include "instance.hpp"
#include "json_report.hpp"
#include "metrics.hpp"
#include "options.hpp"
#include "plot.hpp"
#include "progress.hpp"
#include "table.hpp"

#include "support/input_error.hpp"
#include "support/temporary_file.hpp"
#include "support/trace.hpp"

#include <cstdio>
#include <exception>
#include <iostream>
#include <utility>
#include <vector>

namespace {

using namespace eval;

// What stays of a policy once it is measured: a run's copies of the cache are large.
policy_metrics measure_run(support::kv_trace const& trace, policy_run& run, progress& bar) {
  std::vector<layer_metrics> layers;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    layers.push_back(measure(trace, trace.layers[i], widen(trace, trace.layers[i]), run.layers[i]));
    bar.step(trace.tokens);
  }
  return summarize(std::move(layers));
}

void write_reports(options const& asked, support::kv_trace const& trace,
                   std::vector<policy_run> const& runs,
                   std::vector<policy_metrics> const& metrics) {
  if (!asked.json.empty()) write_json(asked.json, trace, runs, metrics);
  if (asked.plot.empty()) return;
  support::temporary_file const report{".json"};
  write_json(report.path(), trace, runs, metrics);
  draw_plot(report.path(), asked.plot);
}

void list_policies() {
  for (auto const& row : policy_list())
    std::cout << row.name << std::string(12 - row.name.size(), ' ') << row.about << '\n';
}

void evaluate(options const& asked) {
  auto const trace = support::read_trace(asked.trace);
  auto const chosen = choose_instances(asked, trace);
  auto const layer_tokens = trace.tokens * static_cast<std::int64_t>(trace.layers.size());
  progress bar{2 * layer_tokens * static_cast<std::int64_t>(chosen.size())};
  std::vector<policy_run> runs;
  std::vector<policy_metrics> metrics;
  print_heading(std::cout, trace);
  for (auto const* const instance : chosen) {
    bar.label(instance->policy);
    policy_run run;
    run.policy = instance->policy;
    run.backend = instance->backend;
    instance->run(trace, asked.chunk, bar, run);
    if (!asked.dump.empty()) write_dump(asked.dump, trace, run);
    metrics.push_back(measure_run(trace, run, bar));
    run.layers.clear();
    bar.clear();
    print_row(std::cout, trace, run, metrics.back());
    runs.push_back(std::move(run));
  }
  print_legend(std::cout);
  write_reports(asked, trace, runs, metrics);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    options asked;
    if (!parse_options(argc, argv, asked)) return 0;
    if (asked.list) {
      list_policies();
    } else {
      evaluate(asked);
    }
    return 0;
  } catch (support::input_error const& e) {
    std::fprintf(stderr, "ott_eval: %s\n", e.what());
    return 2;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "ott_eval: %s\n", e.what());
    return 1;
  }
}
