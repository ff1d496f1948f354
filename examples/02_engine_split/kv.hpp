#pragma once
// The engine's one decision: what its KV cache is.
// [policy]
#include <ott/policy/cache_policy.hpp>
struct chat_kv : ott::paper_policy {  // every default from the paper, but
  using element = ott::bf16;          // what the model computes in
  static constexpr int group = 64;    // tokens quantized together
};
// [policy]
