#pragma once

#include <exception>
#include <map>
#include <string>

#include <benchmark/benchmark.h>

#include "support/axes.hpp"
#include "support/ceilings.hpp"
#include "support/timer.hpp"

// How a measurement becomes a row. README.md says what each column means.
namespace ott_bench {

/// What all benchmarks of one program share.
struct bench_context {
  device_stream stream;
  ceilings limits{stream};
  double read_gbps = 0;  // R: over 1 GiB
  double copy_gbps = 0;
  std::map<std::string, double> dense_us;  // by <verb>/<shape>/<heads>: the fp16 row of this run
};

/// The one context; made at the first call.
bench_context& context();

/// One row, measured.
struct row {
  std::string group;  // <verb>/<shape>/<heads>
  std::string policy;
  timing time;
  double bytes = 0;         // touched by one call
  double ceiling_us = 0;    // the ceiling over the same bytes
  double ceiling_gbps = 0;  // and over 1 GiB
  double error = -1;        // relative; < 0: checked in another way
  int sets = 1;
};

/// Fills Google Benchmark's state: one iteration whose time is the median of the replays.
inline void report(benchmark::State& state, row const& r) {
  for (auto _ : state) state.SetIterationTime(r.time.us * 1e-6);
  state.counters["MB"] = r.bytes * 1e-6;
  state.counters["GBps"] = r.bytes / r.time.us * 1e-3;
  state.counters["share"] = r.ceiling_us / r.time.us;
  state.counters["share_R"] = r.bytes / r.time.us * 1e-3 / r.ceiling_gbps;
  state.counters["ceiling_us"] = r.ceiling_us;
  state.counters["spread"] = (r.time.high - r.time.low) / r.time.us;
  state.counters["replays"] = r.time.replays;
  state.counters["sets"] = r.sets;
  if (r.error >= 0) state.counters["error"] = r.error;
  auto& dense = context().dense_us;
  if (r.policy == "dense") dense[r.group] = r.time.us;
  if (dense.count(r.group) != 0) state.counters["x_dense"] = dense[r.group] / r.time.us;
}

/// Registers one row; whatever it throws becomes the row's error.
template <class Body>
void add_row(std::string const& name, Body const& body) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [body](benchmark::State& state) {
                                 try {
                                   body(state);
                                 } catch (std::exception const& e) {
                                   (void)cudaGetLastError();
                                   state.SkipWithError(e.what());
                                 }
                               })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMicrosecond);
}

/// The main of every device benchmark: measures the ceilings, then runs what was registered.
int run_benchmarks(int argc, char** argv);

}  // namespace ott_bench
