#include "llama/config.hpp"

#include "llama/json_fields.hpp"

#include <cmath>
#include <numbers>

namespace llama {
namespace {

// Newer files keep theta and the scaling together in rope_parameters.
void read_rope(json_fields const& fields, model_config& config) {
  json_fields const scaling =
      fields.child(fields.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  config.rope_theta = scaling.real("rope_theta", fields.real("rope_theta", 10000));
  std::string const type = scaling.text("rope_type", scaling.text("type", "default"));
  if (type == "default") return;
  if (type != "llama3") fields.refuse("rope scaling", type, "default or llama3");
  config.scaling = {scaling.real("factor"), scaling.real("low_freq_factor"),
                    scaling.real("high_freq_factor"),
                    scaling.real("original_max_position_embeddings")};
}

void read_architecture(json_fields const& fields, model_config& config) {
  config.architecture = fields.first_text("architectures");
  bool const qwen = config.architecture == "Qwen2ForCausalLM";
  if (!qwen && config.architecture != "LlamaForCausalLM" &&
      config.architecture != "MistralForCausalLM") {
    fields.refuse("architecture", config.architecture,
                  "LlamaForCausalLM, MistralForCausalLM or Qwen2ForCausalLM");
  }
  config.qkv_bias = qwen;
  bool const slides = qwen ? fields.flag("use_sliding_window", false) : true;
  if (qwen && slides) fields.refuse("use_sliding_window", "true", "false");
  if (slides) config.sliding_window = fields.integer("sliding_window", 0);
  for (char const* const bias : {"attention_bias", "mlp_bias"}) {
    if (fields.flag(bias, false)) fields.refuse(bias, "true", "false");
  }
  if (fields.has("quantization_config")) {
    fields.refuse("weights", "quantization_config", "plain fp16, bf16 or fp32");
  }
  if (auto const act = fields.text("hidden_act", "silu"); act != "silu") {
    fields.refuse("hidden_act", act, "silu");
  }
}

}  // namespace

model_config read_config(std::string const& folder) {
  json_fields const fields = json_fields::from_file(folder + "/config.json");
  model_config config;
  read_architecture(fields, config);
  config.vocab = fields.integer("vocab_size");
  config.hidden = fields.integer("hidden_size");
  config.ffn = fields.integer("intermediate_size");
  config.num_layers = fields.integer("num_hidden_layers");
  config.num_heads = fields.integer("num_attention_heads");
  config.num_kv_heads = fields.integer("num_key_value_heads", config.num_heads);
  if (config.num_heads % config.num_kv_heads != 0) {
    fields.refuse("num_key_value_heads", std::to_string(config.num_kv_heads),
                  "a divisor of num_attention_heads = " + std::to_string(config.num_heads));
  }
  config.head_dim = fields.integer("head_dim", config.hidden / config.num_heads);
  if (config.head_dim % 2 != 0) {
    fields.refuse("head_dim", std::to_string(config.head_dim), "an even number");
  }
  config.max_positions = fields.integer("max_position_embeddings", 2048);
  config.norm_eps = static_cast<float>(fields.real("rms_norm_eps", 1e-6));
  config.tied_embeddings = fields.flag("tie_word_embeddings", false);
  config.stop_tokens = fields.integers("eos_token_id");
  read_rope(fields, config);
  return config;
}

std::vector<float> rope_frequencies(model_config const& config) {
  std::vector<float> frequencies;
  auto const& s = config.scaling;
  for (int i = 0; i < config.head_dim; i += 2) {
    double const plain = std::pow(config.rope_theta, -static_cast<double>(i) / config.head_dim);
    double const turns = s.original_positions * plain / (2 * std::numbers::pi);
    double smooth = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    smooth = smooth < 0 ? 0 : smooth > 1 ? 1 : smooth;
    double const stretched = (1 - smooth) * plain / s.factor + smooth * plain;
    frequencies.push_back(static_cast<float>(s.factor == 1 ? plain : stretched));
  }
  return frequencies;
}

}  // namespace llama
