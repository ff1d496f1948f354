#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llama {

/// Sequences to score: docs/formats.md, a token file.
struct token_sequence {
  std::vector<int> tokens;           // one more than are fed
  std::vector<std::uint8_t> scored;  // as many
};

/// Reads a token file. Refuses what is none, as support::input_error.
std::vector<token_sequence> read_token_file(std::string const& path);

}  // namespace llama
