#pragma once

#include <concepts>

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/policy/quantizer.hpp>

namespace ott {

/// A stretch of values that share parameters, in their fixed order.
/// shape    size() values, operator()(i) -> float
template <class V>
concept value_slice = requires(V const& v) {
  { v.size() } -> std::convertible_to<int>;
  { v(0) } -> std::convertible_to<float>;
};

struct value_range {
  float lo;
  float hi;
};

/// Smallest and largest value; NaN is passed over, and a slice of nothing but NaN is [0, 0].
template <value_slice V>
OTT_HD constexpr value_range range_of(V const& values) {
  float lo = infinity();
  float hi = -infinity();
  for (int i = 0; i < values.size(); ++i) {
    float const x = values(i);
    lo = lesser(lo, x);
    hi = greater(hi, x);
  }
  return lo <= hi ? value_range{lo, hi} : value_range{0.0f, 0.0f};
}

/// The code of a value as a number, and what it reads as; a quantizer may know a faster way.
template <class Q>
OTT_HD constexpr float code_number(typename Q::params p, float x) {
  if constexpr (requires { Q::code_number(p, x); }) {
    return Q::code_number(p, x);
  } else {
    return static_cast<float>(Q::encode(p, x));
  }
}
template <class Q>
OTT_HD constexpr float read_number(typename Q::params p, float number) {
  if constexpr (requires { Q::read_number(p, number); }) {
    return Q::read_number(p, number);
  } else {
    return Q::decode(p, static_cast<int>(number));
  }
}
template <class Q>
OTT_HD constexpr float read_value(typename Q::params p, float x) {
  if constexpr (requires { Q::read_number(p, x); }) {
    return Q::read_number(p, Q::code_number(p, x));
  } else {
    return Q::decode(p, Q::encode(p, x));
  }
}

/// The best of some parameters that were tried.
template <class Q>
struct fit_result {
  typename Q::params params;
  float error;
  int trial;  // of equals the first wins

  /// A NaN stays, as no error is below it.
  OTT_HD constexpr void take_better(fit_result const& other) {
    bool const first = other.error == error && other.trial < trial;
    if (other.error < error || first) *this = other;
  }
};

/// A search that several members share, each with some of the trials.
/// requires parts; part<Q, Param>(values, part) -> fit_result<Q>
template <class Fit>
concept fit_in_parts = requires {
  Fit::parts;
};

/// The whole of such a search.
template <class Fit, class Q, scalar Param, value_slice V>
OTT_HD constexpr typename Q::params fit_alone(V const& values) {
  auto best = Fit::template part<Q, Param>(values, 0);
  for (int part = 1; part < Fit::parts; ++part) {
    best.take_better(Fit::template part<Q, Param>(values, part));
  }
  return best.params;
}

namespace detail {

template <class Q, class V>
concept fits_values = requires(V const& v) {
  { Q::fit(v) } -> std::same_as<typename Q::params>;
};

}  // namespace detail

/// The ends of the range: the paper's fit. A quantizer with fit(values) of its own is asked
/// instead.
struct min_max {
  static constexpr char const* name = "min_max";
  template <class Q, scalar Param, value_slice V>
  OTT_HD static constexpr typename Q::params of(V const& values) {
    if constexpr (detail::fits_values<Q, V>) {
      return stored<Q, Param>(Q::fit(values));
    } else {
      value_range const range = range_of(values);
      return stored<Q, Param>(Q::fit(range.lo, range.hi));
    }
  }
};

}  // namespace ott
