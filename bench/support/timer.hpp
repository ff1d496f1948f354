#pragma once

#include <vector>

#include "support/device.hpp"

namespace ott_bench {

/// Time of one part of a replayed graph, in microseconds.
struct timing {
  double us = 0;   // median of the replays
  double low = 0;  // 10th and 90th percentile
  double high = 0;
  int replays = 0;
};

/// Work captured once, replayed at will.
class graph {
 public:
  template <class Body>
  graph(cudaStream_t s, Body const& body) {
    check(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), "begin capture");
    cudaGraph_t captured = nullptr;
    try {
      body();
    } catch (...) {
      (void)cudaStreamEndCapture(s, &captured);
      (void)cudaGetLastError();
      throw;
    }
    check(cudaStreamEndCapture(s, &captured), "end capture");
    cudaError_t const status = cudaGraphInstantiate(&ready_, captured, 0);
    (void)cudaGraphDestroy(captured);
    check(status, "cudaGraphInstantiate");
    check(cudaGraphUpload(ready_, s), "cudaGraphUpload");
  }
  /// Of nodes that were put together by hand; they stay the caller's.
  graph(cudaGraph_t nodes, cudaStream_t s) {
    check(cudaGraphInstantiate(&ready_, nodes, 0), "cudaGraphInstantiate");
    check(cudaGraphUpload(ready_, s), "cudaGraphUpload");
  }
  graph(graph const&) = delete;
  ~graph() { (void)cudaGraphExecDestroy(ready_); }

  void replay(cudaStream_t s) const { check(cudaGraphLaunch(ready_, s), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t ready_ = nullptr;
};

/// How long to measure.
struct effort {
  int least = 5;  // replays
  int most = 100;
  double budget_ms = 150;
};

/// Lets the device rest for so long before what comes next: between replays, so that the power they
/// draw together stays below where the device lowers its clock. None where OTT_BENCH_BACK_TO_BACK
/// is set in the environment.
void rest(cudaStream_t s, double us);

/// Times `count` replays one by one; `before` and a rest are enqueued ahead of each and not timed.
/// The host runs ahead of the device, so that no replay waits for its launch.
template <class Before>
std::vector<double> replay_times(cudaStream_t s, graph const& work, int count, Before const& before,
                                 double rest_us = 0) {
  struct events {
    std::vector<cudaEvent_t> items;
    explicit events(int n) : items(static_cast<std::size_t>(n)) {
      for (auto& e : items) check(cudaEventCreate(&e), "cudaEventCreate");
    }
    ~events() {
      for (auto& e : items) (void)cudaEventDestroy(e);
    }
  } marks(2 * count);
  for (std::size_t i = 0; i < marks.items.size(); i += 2) {
    before();
    rest(s, rest_us);
    check(cudaEventRecord(marks.items[i], s), "cudaEventRecord");
    work.replay(s);
    check(cudaEventRecord(marks.items[i + 1], s), "cudaEventRecord");
  }
  check(cudaStreamSynchronize(s), "replay");
  std::vector<double> us;
  for (std::size_t i = 0; i < marks.items.size(); i += 2) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, marks.items[i], marks.items[i + 1]), "cudaEventElapsedTime");
    us.push_back(1e3 * static_cast<double>(ms));
  }
  return us;
}

/// Median and spread of times, of which each covers `parts` equal parts.
timing summarize(std::vector<double> us, int parts);

/// Captures body(0) .. body(parts - 1) into one graph and times its replays, each after a rest as
/// long as itself.
template <class Body, class Before>
timing time_graph(cudaStream_t s, int parts, Body const& body, Before const& before,
                  effort const& spend = {}) {
  graph const work(s, [&] {
    for (int i = 0; i < parts; ++i) body(i);
  });
  double const first = replay_times(s, work, 1, before).front();  // warms up: not counted
  double const estimate = first > 100.0 ? replay_times(s, work, 1, before).front() : first;
  int count = static_cast<int>(1e3 * spend.budget_ms / (estimate + 1.0));
  count = count < spend.least ? spend.least : count > spend.most ? spend.most : count;
  return summarize(replay_times(s, work, count, before, estimate), parts);
}

template <class Body>
timing time_graph(cudaStream_t s, int parts, Body const& body) {
  return time_graph(s, parts, body, [] {});
}

/// Parts of one graph that rotates over `sets` working sets: whole rounds, at least eight parts, so
/// that the gap between two replays is small beside them.
inline int parts_of(int sets) { return (8 + sets - 1) / sets * sets; }

}  // namespace ott_bench
