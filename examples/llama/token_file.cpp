#include "llama/token_file.hpp"

#include "support/safetensors.hpp"

#include <cstring>

namespace llama {

std::vector<token_sequence> read_token_file(std::string const& path) {
  auto file = support::safetensors_file::open(path);
  auto const& tokens = file.at("tokens");
  auto const& scored = file.at("scored");
  auto const expect = [&](char const* name, support::tensor_info const& info, support::dtype type) {
    if (info.type == type && info.shape.size() == 2 && info.shape[1] >= 2 &&
        info.shape == tokens.shape) {
      return;
    }
    throw support::input_error(
        file.name() + ": tensor " + name, "wrong type or shape",
        std::string(support::name_of(info.type)) + " " + support::to_string(info.shape),
        std::string(support::name_of(type)) +
            " [sequences, length + 1], the same of tokens and scored");
  };
  expect("tokens", tokens, support::dtype::i32);
  expect("scored", scored, support::dtype::u8);
  auto const ids = file.read("tokens");
  auto const marks = file.read("scored");
  auto const length = static_cast<std::size_t>(tokens.shape[1]);
  std::vector<token_sequence> all(static_cast<std::size_t>(tokens.shape[0]));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].tokens.resize(length);
    all[i].scored.resize(length);
    std::memcpy(all[i].tokens.data(), ids.data() + i * length * 4, length * 4);
    std::memcpy(all[i].scored.data(), marks.data() + i * length, length);
  }
  return all;
}

}  // namespace llama
