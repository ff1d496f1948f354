#pragma once

#include "llama/weights.hpp"

#include <cmath>
#include <cstdint>

namespace llama {

/// A model of this shape whose weights are noise of the right magnitude.
template <class D>
model_weights<D> random_weights(D& device, model_config const& c) {
  std::uint32_t seed = 0;
  auto const matrix = [&](int rows, int in) {
    auto const size = static_cast<std::size_t>(rows) * static_cast<std::size_t>(in);
    return device.random(size, std::sqrt(3.0f / static_cast<float>(in)), ++seed);
  };
  auto const ones = [&](int size) {
    return device.floats(std::vector<float>(static_cast<std::size_t>(size), 1.0f));
  };
  model_weights<D> w;
  w.embedding = matrix(c.vocab, c.hidden);
  if (!c.tied_embeddings) w.head = matrix(c.vocab, c.hidden);
  w.norm = ones(c.hidden);
  for (int i = 0; i < c.num_layers; ++i) {
    layer_weights<D> layer;
    layer.norm = ones(c.hidden);
    layer.mlp_norm = ones(c.hidden);
    if (c.qkv_bias) layer.qkv_bias = ones(c.qkv_width());
    layer.qkv = matrix(c.qkv_width(), c.hidden);
    layer.output = matrix(c.hidden, c.q_width());
    layer.gate_up = matrix(2 * c.ffn, c.hidden);
    layer.down = matrix(c.hidden, c.ffn);
    w.layers.push_back(std::move(layer));
  }
  return w;
}

}  // namespace llama
