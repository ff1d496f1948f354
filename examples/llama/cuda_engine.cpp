#include "llama/cuda_device.hpp"
#include "llama/device_bench.hpp"

namespace llama {

std::unique_ptr<engine> make_cuda_engine(engine_options const& asked, model_config const& config,
                                         kv_request const& shape,
                                         std::function<void()> const& progress) {
  if (!cuda_ready()) {
    throw support::input_error("--backend", "no GPU here", asked.backend, "host");
  }
  if (asked.backend == cuda_device<ott::bf16>::name) {
    return make_device_engine<cuda_device<ott::bf16>>(asked, config, shape, progress);
  }
  return make_device_engine<cuda_device<ott::half>>(asked, config, shape, progress);
}

std::unique_ptr<bench_source> make_cuda_bench(model_config const& config, std::string const& policy,
                                              std::string const& backend) {
  if (!cuda_ready()) throw support::input_error("--backend", "no GPU here", backend, "host");
  if (backend == cuda_device<ott::bf16>::name) {
    return std::make_unique<device_bench<cuda_device<ott::bf16>>>(config, policy);
  }
  return std::make_unique<device_bench<cuda_device<ott::half>>>(config, policy);
}

std::vector<std::string> cuda_policy_names() { return policy_names<cuda_device<ott::half>>(); }

}  // namespace llama
