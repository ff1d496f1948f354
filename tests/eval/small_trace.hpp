#pragma once

#include "support/safetensors.hpp"
#include "support/safetensors_writer.hpp"
#include "support/trace.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

// A valid trace of a few hundred bytes, and the means to damage it.
namespace small {

inline constexpr int tokens = 5, kv_heads = 2, q_heads = 4, head_dim = 3, queries = 2;

/// fp16 bits that count up from 1.0, all finite.
inline std::vector<std::uint16_t> elements(int count) {
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(0x3c00 + i);
  return bits;
}

inline void add_layer(support::safetensors_writer& file, std::string const& prefix) {
  using support::dtype;
  auto const kv = elements(tokens * kv_heads * head_dim);
  file.add(prefix + "k", dtype::f16, {tokens, kv_heads, head_dim}, kv);
  file.add(prefix + "v", dtype::f16, {tokens, kv_heads, head_dim}, kv);
  file.add(prefix + "q", dtype::f16, {queries, q_heads, head_dim},
           elements(queries * q_heads * head_dim));
  file.add(prefix + "q_pos", dtype::i64, {queries}, std::vector<std::int64_t>{1, 4});
}

inline std::string bytes_of(support::safetensors_writer const& file) {
  std::ostringstream out;
  file.write(out);
  return out.str();
}

inline std::string trace_bytes() {
  support::safetensors_writer file;
  file.add_metadata("softmax_scale", "0.5");
  file.add_metadata("source", "a test");
  add_layer(file, "layers.0.");
  add_layer(file, "layers.7.");
  return bytes_of(file);
}

/// A file of any header and data.
inline std::string raw(std::string const& header, std::string const& data = "") {
  std::uint64_t const length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

inline support::safetensors_file open(std::string const& bytes) {
  return {std::make_unique<std::istringstream>(bytes), "test"};
}

inline support::kv_trace trace(std::string const& bytes) {
  auto file = open(bytes);
  return support::read_trace(file);
}

/// The refusal's text; "accepted" when there was none. Any other exception passes through.
template <class F>
std::string refusal(F const& f) {
  try {
    f();
  } catch (support::input_error const& e) {
    return e.what();
  }
  return "accepted";
}

/// One name for what Catch2's versions 2 and 3 call differently.
inline void check_says(std::string const& text, std::string const& part) {
  CAPTURE(text, part);
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace small
