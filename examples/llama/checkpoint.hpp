#pragma once

#include "support/safetensors.hpp"

#include <map>
#include <string>
#include <vector>

namespace llama {

/// The tensors of a Hugging Face folder: model.safetensors, or the shards that
/// model.safetensors.index.json names. Opening checks every header; refusals are input_error.
class checkpoint {
 public:
  explicit checkpoint(std::string const& folder);

  /// A tensor of exactly this shape in fp32; its file may hold F16, BF16 or F32.
  std::vector<float> read(std::string const& tensor, support::shape_t const& shape);

 private:
  void add_shard(std::string const& path);

  std::string folder_;
  std::vector<support::safetensors_file> shards_;
  std::map<std::string, std::size_t> shard_of_;
};

}  // namespace llama
