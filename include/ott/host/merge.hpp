#pragma once

#include <cmath>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/core/view.hpp>

namespace ott {

/// Merges two attention results over disjoint tokens, e.g. of two devices: out and lse of `a`
/// become those of the union.
/// shape    out: [rows, heads, head_dim], normalized; lse: [rows, heads], natural log
template <class Q>
void merge(view<Q> out_a, float* lse_a, view<Q const> out_b, float const* lse_b) {
  for (int row = 0; row < out_a.tokens; ++row) {
    for (int head = 0; head < out_a.heads; ++head) {
      int const at = row * out_a.heads + head;
      float const top = lse_a[at] > lse_b[at] ? lse_a[at] : lse_b[at];
      if (!(top > -infinity())) continue;  // neither saw a token
      float const weight_a = std::exp(lse_a[at] - top);
      float const weight_b = std::exp(lse_b[at] - top);
      float const norm = 1.0f / (weight_a + weight_b);
      for (int c = 0; c < out_a.head_dim; ++c) {
        float const mixed =
            weight_a * to_float(out_a(row, head, c)) + weight_b * to_float(out_b(row, head, c));
        out_a(row, head, c) = from_float<Q>(mixed * norm);
      }
      lse_a[at] = top + std::log(weight_a + weight_b);
    }
  }
}

}  // namespace ott
