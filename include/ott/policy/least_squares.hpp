#pragma once

#include <cstdint>

#include <ott/policy/fit.hpp>

namespace ott {

/// (scale, zero) of smallest squared error: from two starts (min-max; mean +- a few sigma), three
/// rounds of codes and regression of the values on them; the best of all with stored parameters.
/// requires a quantizer with params {scale, zero} and `max_code`
/// source   docs/method.md, Extensions
struct least_squares {
  static constexpr char const* name = "least_squares";
  static constexpr int parts = 2;  // a start each

  template <class Q>
  static constexpr bool takes = requires(typename Q::params p) {
    p.scale;
    p.zero;
    Q::max_code;
  };
  template <class Q>
  struct quantizer_rule {
    static_assert(takes<Q>,
                  "ott: fit least_squares needs a quantizer with params {scale, zero} (affine<b>); "
                  "see docs/policies.md#fit");
  };

  template <class Q, scalar Param, value_slice V>
  OTT_HD static constexpr typename Q::params of(V const& values) {
    static_assert(sizeof(quantizer_rule<Q>) > 0);
    if constexpr (takes<Q>) {
      return fit_alone<least_squares, Q, Param>(values);
    } else {
      return {};
    }
  }

  /// One start and what it leads to.
  template <class Q, scalar Param, value_slice V>
  OTT_HD static constexpr fit_result<Q> part(V const& values, int part) {
    value_range const range = range_of(values);
    value_range const begin = part == 0 ? range : central_range<Q>(values, range);
    auto params = stored<Q, Param>(Q::fit(begin.lo, begin.hi));
    code_sums sums = sum_codes<Q>(values, range.lo, params);
    fit_result<Q> best{params, sums.error, 0};
    if (part != 0 && best.error != best.error) best.error = infinity();
    for (int round = 1; round <= 3; ++round) {
      params = stored<Q, Param>(regress<Q>(sums, values.size(), range.lo, params));
      if (!(params.scale > 0.0f)) break;
      sums = sum_codes<Q>(values, range.lo, params);
      best.take_better({params, sums.error, round});
    }
    best.trial += 4 * part;
    return best;
  }

 private:
  /// Over all values: squared errors, codes, and values relative to an origin.
  struct code_sums {
    float error = 0;
    std::int64_t c = 0;
    std::int64_t cc = 0;
    float x = 0;
    float xc = 0;
  };

  template <class Q, class V>
  OTT_HD static constexpr code_sums sum_codes(V const& values, float origin, typename Q::params p) {
    constexpr int stretch = 8;  // integers of so few codes are exact in fp32
    code_sums sums;
    for (int first = 0; first < values.size(); first += stretch) {
      float c = 0;
      float cc = 0;
      OTT_UNROLL
      for (int i = first; i < first + stretch; ++i) {
        if (i >= values.size()) break;
        float const value = values(i);
        float const code = code_number<Q>(p, value);
        float const off = exact_sub(value, read_number<Q>(p, code));
        float const x = exact_sub(value, origin);
        sums.error = exact_add(sums.error, exact_mul(off, off));
        c = exact_add(c, code);
        cc = exact_add(cc, exact_mul(code, code));
        sums.x = exact_add(sums.x, x);
        sums.xc = exact_add(sums.xc, exact_mul(x, code));
      }
      sums.c += static_cast<int>(c);
      sums.cc += static_cast<int>(cc);
    }
    return sums;
  }

  /// The line through (code, value) of least squared error; values are taken relative to `origin`.
  template <class Q>
  OTT_HD static constexpr typename Q::params regress(code_sums const& sums, std::int64_t n,
                                                     float origin, typename Q::params p) {
    std::int64_t const spread = n * sums.cc - sums.c * sums.c;
    if (spread == 0) return {0.0f, p.zero};
    float const count = static_cast<float>(n);
    float const codes = static_cast<float>(sums.c);
    float const covariance = exact_sub(exact_mul(count, sums.xc), exact_mul(codes, sums.x));
    float const scale = exact_div(covariance, static_cast<float>(spread));
    float const zero = exact_div(exact_sub(sums.x, exact_mul(scale, codes)), count);
    return {scale, exact_add(origin, zero)};
  }

  /// mean +- reach * sigma, where a Gaussian's best uniform quantizer of this width would lie.
  template <class Q, class V>
  OTT_HD static constexpr value_range central_range(V const& values, value_range range) {
    constexpr float reach = Q::max_code <= 1   ? 0.8f
                            : Q::max_code <= 3 ? 1.5f
                            : Q::max_code <= 7 ? 2.1f
                                               : 2.7f;
    float const count = static_cast<float>(values.size());
    float sum = 0;
    for (int i = 0; i < values.size(); ++i) sum = exact_add(sum, exact_sub(values(i), range.lo));
    float const mean = exact_add(range.lo, exact_div(sum, count));
    float squares = 0;
    for (int i = 0; i < values.size(); ++i) {
      float const off = exact_sub(values(i), mean);
      squares = exact_add(squares, exact_mul(off, off));
    }
    float const half_width = exact_mul(reach, exact_sqrt(exact_div(squares, count)));
    return {exact_sub(mean, half_width), exact_add(mean, half_width)};
  }
};

}  // namespace ott
