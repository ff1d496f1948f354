#include "llama/engine.hpp"

#include "llama/device_engine.hpp"
#include "llama/host_device.hpp"

#include "ott_eval/progress.hpp"

namespace llama {
namespace {

kv_request shape_of(engine_options const& asked, model_config const& config) {
  int const most = asked.max_tokens > 0 ? asked.max_tokens : config.max_positions;
  if (most > config.max_positions) {
    throw support::input_error("--max-tokens", "positions of the model", std::to_string(most),
                               "at most " + std::to_string(config.max_positions));
  }
  std::vector<int> pools = asked.pool_by_layer;
  if (!pools.empty()) pools.resize(static_cast<std::size_t>(config.num_layers), pools.back());
  return {config.num_layers, config.num_heads,    config.num_kv_heads, config.head_dim,
          asked.max_sequences, most, asked.max_rows, config.sliding_window, pools};
}

}  // namespace

std::unique_ptr<engine> make_engine(engine_options const& asked) {
  model_config const config = read_config(asked.folder);
  eval::progress bar{config.num_layers};
  bar.label("loading");
  auto const progress = [&] { bar.step(); };
  kv_request const shape = shape_of(asked, config);
  if (asked.backend == "host") {
    return make_device_engine<host_device>(asked, config, shape, progress);
  }
  throw support::input_error("--backend", "not in this build", support::printable(asked.backend),
                             "host");
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (auto const& one : kv_instances<host_device>()) {
    if (names.empty() || names.back() != one.policy) names.push_back(one.policy);
  }
  return names;
}

}  // namespace llama
