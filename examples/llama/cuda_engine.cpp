#include "llama/cuda_device.hpp"
#include "llama/device_engine.hpp"

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

}  // namespace llama
