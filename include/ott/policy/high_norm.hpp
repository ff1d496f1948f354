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
  static constexpr int parts = 2;

  template <class Q, scalar Param, value_slice V>
  OTT_HD static constexpr typename Q::params of(V const& values) {
    return fit_alone<high_norm, Q, Param>(values);
  }

  /// Every `parts`-th pair; the range itself is the first part's.
  template <class Q, scalar Param, value_slice V>
  OTT_HD static constexpr fit_result<Q> part(V const& values, int part) {
    value_range const range = range_of(values);
    fit_result<Q> best{stored<Q, Param>(Q::fit(range.lo, range.hi)), infinity(),
                       num_factors * num_factors};
    float const width = exact_sub(range.hi, range.lo);
    float const unit = width > 0.0f ? exact_div(1.0f, width) : 0.0f;
    bool const searches = width > 0.0f && is_finite(width) && is_finite(unit);
    if (part == 0) {
      best.error = searches ? error_of<Q>(values, best.params, unit, infinity()) : 0.0f;
      best.trial = -1;
    }
    if (!searches || best.error != best.error) return best;
    float const middle = exact_add(range.lo, exact_mul(0.5f, width));
    for (int n = part; n < num_factors * num_factors; n += parts) {
      int const low = likely(n / num_factors);
      int const high = likely(n % num_factors);
      float const lo = exact_sub(middle, exact_mul(shrink(low), exact_sub(middle, range.lo)));
      float const hi = exact_add(middle, exact_mul(shrink(high), exact_sub(range.hi, middle)));
      auto const params = stored<Q, Param>(Q::fit(lo, hi));
      // What the ends alone make is no more than the sum will be, which grows with every term.
      float const ends =
          exact_add(power_of<Q>(range.lo, params, unit), power_of<Q>(range.hi, params, unit));
      if (ends > best.error) continue;
      best.take_better(
          {params, error_of<Q>(values, params, unit, best.error), low * num_factors + high});
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
  /// The n-th factor to try: one that often wins comes first, so that most others stop early.
  OTT_HD static constexpr int likely(int n) {
    return n < 2 ? 4 - n : n == 2 ? 5 : n < 6 ? 5 - n : 6;
  }

  /// (|error| / width)^N of one value.
  template <class Q>
  OTT_HD static constexpr float power_of(float x, typename Q::params p, float unit) {
    float power = exact_mul(exact_sub(x, read_value<Q>(p, x)), unit);
    for (int n = 1; n < N; n *= 2) power = exact_mul(power, power);
    return power;
  }

  /// Sum of (|error| / width)^N in order; past `bound` it may stop anywhere.
  template <class Q, class V>
  OTT_HD static constexpr float error_of(V const& values, typename Q::params p, float unit,
                                         float bound) {
    constexpr int stretch = 8;
    float sum = 0;
    for (int first = 0; first < values.size() && !(sum > bound); first += stretch) {
      OTT_UNROLL
      for (int i = first; i < first + stretch; ++i) {
        if (i >= values.size()) break;
        sum = exact_add(sum, power_of<Q>(values(i), p, unit));  // terms are not negative
      }
    }
    return sum;
  }
};

}  // namespace ott
