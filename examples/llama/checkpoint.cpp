#include "llama/checkpoint.hpp"

#include "llama/json_fields.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include <ott/core/scalar.hpp>

namespace llama {
namespace {

template <class T>
std::vector<float> widen(std::vector<std::byte> const& bytes) {
  std::vector<float> wide(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    T narrow;
    std::memcpy(&narrow, bytes.data() + i * sizeof(T), sizeof(T));
    wide[i] = ott::to_float(narrow);
  }
  return wide;
}

// A shard is named inside its own folder: an index that says ../x is no index of ours.
std::set<std::string> shards_in(std::string const& index) {
  std::set<std::string> shards;
  json_fields const fields = json_fields::from_file(index);
  if (!fields.has("weight_map")) fields.refuse("weight_map", "nothing", "an object");
  json_fields const map = fields.child("weight_map");
  for (auto const& [tensor, shard] : map.value().items()) {
    if (!shard.is_string() || shard.get<std::string>().find('/') != std::string::npos) {
      fields.refuse("weight_map of " + support::printable(tensor), shard.type_name(),
                    "the name of a file beside the index");
    }
    shards.insert(shard.get<std::string>());
  }
  return shards;
}

}  // namespace

checkpoint::checkpoint(std::string const& folder) : folder_{support::printable(folder, 400)} {
  std::string const single = folder + "/model.safetensors";
  std::string const index = single + ".index.json";
  if (std::filesystem::exists(index)) {
    for (std::string const& shard : shards_in(index)) add_shard(folder + "/" + shard);
  } else {
    add_shard(single);
  }
}

void checkpoint::add_shard(std::string const& path) {
  shards_.push_back(support::safetensors_file::open(path));
  for (auto const& [tensor, info] : shards_.back().tensors()) {
    if (shard_of_.emplace(tensor, shards_.size() - 1).second) continue;
    throw support::input_error(folder_, "a tensor lies in two shards", support::printable(tensor),
                               "each tensor once");
  }
}

std::vector<float> checkpoint::read(std::string const& tensor, support::shape_t const& shape) {
  auto const found = shard_of_.find(tensor);
  if (found == shard_of_.end()) {
    throw support::input_error(folder_, "missing tensor",
                               std::to_string(shard_of_.size()) + " other tensors", tensor);
  }
  auto& shard = shards_[found->second];
  auto const& info = shard.at(tensor);
  if (info.shape != shape) {
    throw support::input_error(folder_ + ": tensor " + tensor, "wrong shape",
                               support::to_string(info.shape), support::to_string(shape));
  }
  switch (info.type) {
    case support::dtype::f16:
      return widen<ott::half>(shard.read(tensor));
    case support::dtype::bf16:
      return widen<ott::bf16>(shard.read(tensor));
    case support::dtype::f32:
      return widen<float>(shard.read(tensor));
    default:
      throw support::input_error(folder_ + ": tensor " + tensor, "wrong type",
                                 std::string(support::name_of(info.type)), "F16, BF16 or F32");
  }
}

}  // namespace llama
