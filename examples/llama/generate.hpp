#pragma once

#include "llama/engine.hpp"
#include "llama/sampler.hpp"

#include <string>
#include <vector>

namespace llama {

struct generate_options {
  std::vector<std::vector<int>> prompts;
  sampling how;
  int max_new = 64;
  bool ignore_stop = false;  // goes on after the model's end token
  int batch = 8;             // sequences at a time; the others wait
  std::string json;
};

/// Continues every prompt; writes one line of token ids each, in the prompts' order.
void generate(engine_options engine_asked, generate_options const& asked);

}  // namespace llama
