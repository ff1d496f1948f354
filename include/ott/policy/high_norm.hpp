#pragma once

#include <ott/policy/fit.hpp>

namespace ott {

/// Both ends of the range shrunk about its middle by each of seven factors; the pair with the
/// smallest sum of |error|^N wins. A high N protects the extremes, which carry the attention.
/// requires N a power of two >= 2
/// source   docs/method.md, Extensions
template <int N>
struct high_norm {
  static_assert(N >= 2 && is_pow2(N),
                "ott: high_norm<N> needs N = 2, 4, 8, 16; see docs/policies.md#fit");
  static constexpr char const* name = "high_norm";
  static constexpr int argument = N;
  static constexpr int num_factors = 7;

  template <class Q, scalar Param, value_slice V>
  OTT_HD static constexpr typename Q::params of(V const& values) {
    value_range const range = range_of(values);
    typename Q::params best = stored<Q, Param>(Q::fit(range.lo, range.hi));
    float const width = exact_sub(range.hi, range.lo);
    if (!(width > 0.0f) || !is_finite(width)) return best;
    float const unit = exact_div(1.0f, width);
    if (!is_finite(unit)) return best;
    float const middle = exact_add(range.lo, exact_mul(0.5f, width));
    float best_error = error_of<Q>(values, best, unit, infinity());
    for (int low = 0; low < num_factors; ++low) {
      for (int high = 0; high < num_factors; ++high) {
        float const lo = exact_sub(middle, exact_mul(shrink(low), exact_sub(middle, range.lo)));
        float const hi = exact_add(middle, exact_mul(shrink(high), exact_sub(range.hi, middle)));
        auto const params = stored<Q, Param>(Q::fit(lo, hi));
        float const error = error_of<Q>(values, params, unit, best_error);
        if (error < best_error) {
          best_error = error;
          best = params;
        }
      }
    }
    return best;
  }

 private:
  OTT_HD static constexpr float shrink(int i) {
    return i == 0   ? 1.0f
           : i == 1 ? 0.95f
           : i == 2 ? 0.9f
           : i == 3 ? 0.85f
           : i == 4 ? 0.8f
           : i == 5 ? 0.7f
                    : 0.6f;
  }

  /// Sum of (|error| / width)^N in order; stops early once it cannot win any more.
  template <class Q, class V>
  OTT_HD static constexpr float error_of(V const& values, typename Q::params p, float unit,
                                         float bound) {
    float sum = 0;
    for (int i = 0; i < values.size(); ++i) {
      float const x = values(i);
      float power = exact_mul(exact_sub(x, Q::decode(p, Q::encode(p, x))), unit);
      for (int n = 1; n < N; n *= 2) power = exact_mul(power, power);
      sum = exact_add(sum, power);
      if (sum >= bound) return sum;  // terms are not negative
    }
    return sum;
  }
};

}  // namespace ott
