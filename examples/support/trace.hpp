#pragma once

#include "support/dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace support {

/// What one layer computed for one sequence; raw elements of the trace's type, all finite.
/// shape    k, v: [tokens, kv_heads, head_dim]; q: [queries, q_heads, head_dim]
struct trace_layer {
  std::string prefix;  // "layers.3." or "" in a file of one layer
  int index = 0;
  std::vector<std::byte> k, v, q;
  std::vector<std::int64_t> q_pos;  // [queries], each in [0, tokens)
  std::int64_t queries() const { return static_cast<std::int64_t>(q_pos.size()); }
};

/// A KV trace: keys and values as an engine caches them, and some queries of the same sequence.
struct kv_trace {
  std::string path, source;
  dtype element = dtype::f16;
  std::int64_t tokens = 0, kv_heads = 0, q_heads = 0, head_dim = 0;
  double softmax_scale = 0;
  std::vector<trace_layer> layers;  // ascending by index
};

/// Reads a trace; refuses, with an `input_error`, whatever is damaged, inconsistent or not finite.
/// source   docs/formats.md
kv_trace read_trace(std::string const& path);

class safetensors_file;
kv_trace read_trace(safetensors_file& file);

}  // namespace support
