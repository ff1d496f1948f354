#pragma once

#include "llama/config.hpp"

#include <string>
#include <vector>

namespace llama {

/// Shapes of known models, for benchmarks with random weights.
model_config named_shape(std::string const& name);
std::vector<std::string> shape_names();

}  // namespace llama
