#include "llama/engine.hpp"

#include "llama/device_engine.hpp"
#include "llama/host_device.hpp"

#include "ott_eval/progress.hpp"

namespace llama {

#if defined(OTT_LLAMA_CUDA)
bool cuda_ready();
std::unique_ptr<engine> make_cuda_engine(engine_options const& asked, model_config const& config,
                                         kv_request const& shape,
                                         std::function<void()> const& progress);
constexpr char const* backends = "auto, host, cuda or cuda-bf16";
#else
static bool cuda_ready() { return false; }
static std::unique_ptr<engine> make_cuda_engine(engine_options const& asked, model_config const&,
                                                kv_request const&, std::function<void()> const&) {
  throw support::input_error("--backend", "not in this build", asked.backend, "host");
}
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
  return {config.num_layers, config.num_heads,      config.num_kv_heads,
          config.head_dim,   asked.max_sequences,   most,
          asked.max_rows,    config.sliding_window, pools};
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

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (auto const& one : kv_instances<host_device>()) {
    if (names.empty() || names.back() != one.policy) names.push_back(one.policy);
  }
  return names;
}

}  // namespace llama
