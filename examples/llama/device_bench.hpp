#pragma once

#include "llama/device_engine.hpp"
#include "llama/random_weights.hpp"

#include <memory>
#include <string>
#include <utility>

namespace llama {

/// bench_source on one kind of device: the weights are made once.
template <device D>
class device_bench final : public bench_source {
  static constexpr int fill_rows = 4096;

 public:
  device_bench(model_config const& config, std::string const& policy, int most_sequences)
      : config_{config},
        policy_{find_policy<D>(policy, config.head_dim)},
        device_{std::make_shared<D>()},
        rows_{std::max(fill_rows, most_sequences)} {
    auto weights = random_weights(*device_, config);
    weight_bytes_ = bytes_of(weights);
    model_ = std::make_shared<model<D>>(*device_, config, std::move(weights), most_sequences,
                                        most_sequences);
  }

  char const* backend() const override { return D::name; }
  std::size_t weight_bytes() const override { return weight_bytes_; }

  std::unique_ptr<engine> make(int max_sequences, int max_tokens) override {
    kv_request const shape{config_.num_layers,
                           config_.num_heads,
                           config_.num_kv_heads,
                           config_.head_dim,
                           max_sequences,
                           max_tokens,
                           rows_,
                           max_sequences,
                           0,
                           {}};
    return std::make_unique<device_engine<D>>(device_, policy_.make(*device_, shape), model_,
                                              shape);
  }

 private:
  static std::size_t bytes_of(model_weights<D> const& w) {
    std::size_t elements = w.embedding.size() + w.head.size();
    for (auto const& layer : w.layers) {
      elements += layer.qkv.size() + layer.output.size() + layer.gate_up.size() + layer.down.size();
    }
    return elements * sizeof(typename D::operand);
  }

  model_config config_;
  kv_instance<D> const& policy_;
  std::shared_ptr<D> device_;
  std::shared_ptr<model<D>> model_;
  std::size_t weight_bytes_ = 0;
  int rows_;
};

}  // namespace llama
