#include "llama/engine.hpp"

#include "llama/device_bench.hpp"
#include "llama/host_device.hpp"
#include "llama/report.hpp"
#include "llama/shapes.hpp"

#include "ott_eval/progress.hpp"

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace llama {

#if defined(OTT_LLAMA_CUDA)
bool cuda_ready();
std::unique_ptr<engine> make_cuda_engine(engine_options const& asked, model_config const& config,
                                         kv_request const& shape,
                                         std::function<void()> const& progress);
std::unique_ptr<bench_source> make_cuda_bench(model_config const& config, std::string const& policy,
                                              std::string const& backend);
std::vector<std::string> cuda_policy_names();
constexpr char const* backends = "auto, host, cuda or cuda-bf16";
#else
static bool cuda_ready() { return false; }
static std::unique_ptr<engine> make_cuda_engine(engine_options const& asked, model_config const&,
                                                kv_request const&, std::function<void()> const&) {
  throw support::input_error("--backend", "not in this build", asked.backend, "host");
}
static std::unique_ptr<bench_source> make_cuda_bench(model_config const&, std::string const&,
                                                     std::string const& backend) {
  throw support::input_error("--backend", "not in this build", backend, "host");
}
static std::vector<std::string> cuda_policy_names() { return {}; }
constexpr char const* backends = "auto or host: this build has no CUDA lane";
#endif

namespace {

kv_request shape_of(engine_options const& asked, model_config const& config) {
  int const most = asked.max_tokens > 0 ? asked.max_tokens : config.max_positions;
  if (most > config.max_positions) {
    throw support::input_error("--max-tokens", "positions of the model", std::to_string(most),
                               "at most " + std::to_string(config.max_positions));
  }
  std::vector<int> pools = asked.pool_by_layer;
  if (!pools.empty()) pools.resize(static_cast<std::size_t>(config.num_layers), pools.back());
  return {config.num_layers,     config.num_heads,
          config.num_kv_heads,   config.head_dim,
          asked.max_sequences,   most,
          asked.max_rows,        asked.max_rows,
          config.sliding_window, pools};
}

}  // namespace

std::unique_ptr<engine> make_engine(engine_options asked) {
  if (asked.backend == "auto") asked.backend = cuda_ready() ? "cuda" : "host";
  model_config const config = read_config(asked.folder);
  eval::progress bar{config.num_layers};
  bar.label("loading");
  auto const progress = [&] { bar.step(); };
  kv_request const shape = shape_of(asked, config);
  if (asked.backend == "host") {
    return make_device_engine<host_device>(asked, config, shape, progress);
  }
  if (asked.backend == "cuda" || asked.backend == "cuda-bf16") {
    return make_cuda_engine(asked, config, shape, progress);
  }
  throw support::input_error("--backend", "unknown", support::printable(asked.backend), backends);
}

// Random weights are made in memory: better to refuse than to be killed.
static void check_fits_host(model_config const& c) {
  double const layer = 1.0 * c.hidden * (c.qkv_width() + c.q_width() + 3.0 * c.ffn);
  double const elements =
      c.num_layers * layer + (c.tied_embeddings ? 1.0 : 2.0) * c.vocab * c.hidden;
  double const memory = 1.0 * static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                        static_cast<double>(sysconf(_SC_PAGESIZE));
  double const wanted = elements * sizeof(host_device::operand);
  if (wanted < memory / 2) return;
  throw support::input_error(
      "bench", "weights on the host", readable_bytes(static_cast<std::size_t>(wanted)),
      "at most half of its memory, " + readable_bytes(static_cast<std::size_t>(memory / 2)));
}

std::unique_ptr<bench_source> make_bench_source(std::string const& shape, std::string const& policy,
                                                std::string backend) {
  if (backend == "auto") backend = cuda_ready() ? "cuda-bf16" : "host";
  model_config const config = named_shape(shape);
  if (backend == "host") {
    check_fits_host(config);
    return std::make_unique<device_bench<host_device>>(config, policy);
  }
  if (backend == "cuda" || backend == "cuda-bf16") {
    return make_cuda_bench(config, policy, backend);
  }
  throw support::input_error("--backend", "unknown", support::printable(backend), backends);
}

std::vector<built_policy> built_policies() {
  std::vector<built_policy> built;
  for (auto& name : policy_names<host_device>()) built.push_back({std::move(name), true, false});
  for (auto& name : cuda_policy_names()) {
    auto const same = [&](built_policy const& one) { return one.name == name; };
    auto const found = std::find_if(built.begin(), built.end(), same);
    if (found != built.end()) {
      found->cuda = true;
    } else {
      built.push_back({std::move(name), false, true});
    }
  }
  return built;
}

}  // namespace llama
