#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace eval {

/// What one policy holds of one layer after all tokens, copied off its backend.
/// shape    as in docs/formats.md; empty where the policy or the length has none
struct captured_layer {
  int groups = 0;
  std::vector<std::byte> codes_k, codes_v;        // U8, or elements where nothing is quantized
  std::vector<std::uint16_t> params_k, params_v;  // fp16 bits
  std::vector<std::uint16_t> factor_k;            // fp16 bits
  std::vector<std::uint8_t> marks;
  std::vector<std::int32_t> pool_pos, evicted_pos;
  std::vector<double> seen_k, seen_v;  // [kv_heads, tokens, head_dim]: what attention reads
  std::vector<float> out;              // [queries, q_heads, head_dim]
  std::vector<float> lse;              // [queries, q_heads]
};

/// What follows from a policy alone.
struct policy_facts {
  int group = 0, pool = 0, evicted = 0, value_group = 0;
  bool exact = false;           // codes are the elements themselves
  bool factors = false;         // one factor a key token
  double bits_per_element = 0;  // codes, parameters, factors
};

/// One policy over a whole trace.
struct policy_run {
  std::string policy, backend;
  policy_facts facts;
  double bits_stored = 0;  // the same with marks, padding, window and pools, at this length
  double append_ms = 0, attend_ms = 0;
  std::vector<captured_layer> layers;
};

}  // namespace eval
