#pragma once

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/policy/quantizer.hpp>

namespace ott {

/// Uniform b-bit codes without a zero point: x ~ scale * (code - 2^(b-1)). Half the parameter
/// bytes.
/// requires Bits >= 2: one bit cannot hold a sign and a zero
template <int Bits>
struct symmetric {
  static_assert(Bits >= 2, "ott: symmetric<b> needs b >= 2; see docs/policies.md#symmetric");
  static constexpr char const* name = "symmetric";
  static constexpr int bits = Bits;
  static constexpr int bias = 1 << (Bits - 1);
  static constexpr int max_code = (1 << Bits) - 1;

  struct params {
    float scale;
  };

  OTT_HD static constexpr params fit(float lo, float hi) {
    float const reach = greater(-lo, hi);
    return {exact_div(reach, static_cast<float>(bias - 1))};
  }
  OTT_HD static constexpr int encode(params p, float x) {
    if (p.scale == 0.0f) return bias;
    float const shifted = exact_add(exact_div(x, p.scale), static_cast<float>(bias));
    return nearest_code(shifted, max_code);
  }
  OTT_HD static constexpr float decode(params p, int code) {
    return exact_mul(p.scale, static_cast<float>(code - bias));
  }
  OTT_HD static constexpr affine_params affine_of(params p) {
    return {p.scale, exact_mul(p.scale, static_cast<float>(-bias))};
  }
};

}  // namespace ott
