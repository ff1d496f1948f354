#include "llama/bench.hpp"

#include "llama/engine.hpp"
#include "llama/report.hpp"

#include <chrono>
#include <cstdio>

#include <ott/core/error.hpp>

namespace llama {
namespace {

constexpr int warm_steps = 4;

// One batch: fills the caches, decodes, says how fast.
nlohmann::ordered_json measure(bench_source& source, bench_options const& asked, int batch) {
  auto const e = source.make(batch, asked.context + warm_steps + asked.steps);
  std::vector<std::int64_t> seqs;
  for (int i = 0; i < batch; ++i) seqs.push_back(e->open());
  e->fill(seqs, asked.context);
  std::vector<int> ids(static_cast<std::size_t>(batch), 1);
  auto const decode = [&](int steps) {
    for (int step = 0; step < steps; ++step) {
      std::vector<step_entry> entries;
      for (std::size_t i = 0; i < seqs.size(); ++i) {
        entries.push_back({seqs[i], std::span(ids).subspan(i, 1), {0}});
      }
      e->step(entries);
      auto const scores = e->score(ids);  // waits
      for (std::size_t i = 0; i < seqs.size(); ++i) ids[i] = scores[i].best;
    }
  };
  decode(warm_steps);
  auto const begin = std::chrono::steady_clock::now();
  decode(asked.steps);
  double const seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  kv_bytes const bytes = e->bytes();
  double const rate = batch * asked.steps / seconds;
  double const ratio = static_cast<double>(bytes.dense) /
                       static_cast<double>(bytes.groups + bytes.windows + bytes.pools);
  std::printf("%5d %10.1f %9.2f %11s %11s %11s %11s %6.2f\n", batch, rate,
              1e3 * seconds / asked.steps, readable_bytes(bytes.groups).c_str(),
              readable_bytes(bytes.windows).c_str(), readable_bytes(bytes.pools).c_str(),
              readable_bytes(bytes.allocated).c_str(), ratio);
  std::fflush(stdout);
  return {{"batch", batch},
          {"tokens_per_second", rate},
          {"ms_per_step", 1e3 * seconds / asked.steps},
          {"cache", to_json(bytes)}};
}

}  // namespace

void bench(bench_options const& asked) {
  auto const source = make_bench_source(asked.shape, asked.policy, asked.backend,
                                        asked.batches.empty() ? 1 : asked.batches.back());
  nlohmann::ordered_json report = {{"shape", asked.shape},
                                   {"policy", asked.policy},
                                   {"backend", source->backend()},
                                   {"context", asked.context},
                                   {"weight_bytes", source->weight_bytes()}};
  std::printf("%s, %s on %s, %d tokens of context, weights %s\n", asked.shape.c_str(),
              asked.policy.c_str(), source->backend(), asked.context,
              readable_bytes(source->weight_bytes()).c_str());
  std::printf("%5s %10s %9s %11s %11s %11s %11s %6s\n", "batch", "tokens/s", "ms/step", "groups",
              "windows", "pools", "allocated", "fp16/x");
  auto& rows = report["batches"] = nlohmann::ordered_json::array();
  for (int const batch : asked.batches) {
    try {
      rows.push_back(measure(*source, asked, batch));
    } catch (ott::error const& e) {
      if (e.code() != ott::errc::capacity) throw;
      std::printf("%5d does not fit: %s\n", batch, e.what());
      break;
    }
  }
  write_report(asked.json, report);
}

}  // namespace llama
