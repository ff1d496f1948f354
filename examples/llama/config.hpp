#pragma once

#include <string>
#include <vector>

namespace llama {

/// RoPE's frequencies are stretched as Llama 3.1 does; off while factor is 1.
struct rope_scaling {
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_positions = 8192;
};

/// What config.json says of a Llama-family model.
struct model_config {
  std::string architecture;
  int vocab = 0;
  int hidden = 0;
  int ffn = 0;
  int num_layers = 0;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int max_positions = 0;
  int sliding_window = 0;  // 0: none
  float norm_eps = 1e-5f;
  double rope_theta = 10000;
  rope_scaling scaling;
  bool qkv_bias = false;
  bool tied_embeddings = false;
  std::vector<int> stop_tokens;

  int q_width() const { return num_heads * head_dim; }
  int kv_width() const { return num_kv_heads * head_dim; }
  int qkv_width() const { return q_width() + 2 * kv_width(); }
};

/// Reads FOLDER/config.json. Refuses what this engine cannot run, as support::input_error.
model_config read_config(std::string const& folder);

/// Frequencies of RoPE's head_dim / 2 pairs.
std::vector<float> rope_frequencies(model_config const& config);

}  // namespace llama
