#pragma once

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/policy/quantizer.hpp>

namespace ott {

/// Asymmetric uniform b-bit codes: x ~ zero + scale * code.
/// source   KIVI (arXiv 2402.02750), OTT (arXiv 2505.10938); docs/method.md, flush step 3
template <int Bits>
struct affine {
  static constexpr char const* name = "affine";
  static constexpr int bits = Bits;
  static constexpr int max_code = (1 << Bits) - 1;

  struct params {
    float scale;
    float zero;
  };

  OTT_HD static constexpr params fit(float lo, float hi) {
    return {exact_div(exact_sub(hi, lo), static_cast<float>(max_code)), lo};
  }
  OTT_HD static constexpr int encode(params p, float x) {
    if (p.scale == 0.0f) return 0;
    return nearest_code(exact_div(exact_sub(x, p.zero), p.scale), max_code);
  }
  OTT_HD static constexpr float decode(params p, int code) {
    return exact_add(p.zero, exact_mul(p.scale, static_cast<float>(code)));
  }
  OTT_HD static constexpr affine_params affine_of(params p) { return {p.scale, p.zero}; }
};

}  // namespace ott
