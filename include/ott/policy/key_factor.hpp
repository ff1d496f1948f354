#pragma once

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>

namespace ott {

/// No factor: keys are quantized as they are.
struct no_key_factor {
  static constexpr char const* name = "none";
  static constexpr bool present = false;
  static constexpr bool refitted = false;
};

/// One fp16 per key token: the L2 norm of the (rotated) key, divided out before quantizing and
/// multiplied onto the finished score.
/// source   docs/method.md, Extensions; OScaR (arXiv 2605.19660)
struct token_norm {
  static constexpr char const* name = "token_norm";
  static constexpr bool present = true;
  static constexpr bool refitted = false;

  template <class Row>
  OTT_HD static constexpr float of(Row const& row, int size) {
    float sum = 0;
    for (int c = 0; c < size; ++c) sum = exact_add(sum, exact_mul(row[c], row[c]));
    return exact_sqrt(sum);
  }
};

/// The same; after the codes are known the factor becomes |k|^2 / <k, k'>, so that logits are
/// unbiased.
struct token_norm_refitted : token_norm {
  static constexpr char const* name = "token_norm_refitted";
  static constexpr bool refitted = true;
};

}  // namespace ott
