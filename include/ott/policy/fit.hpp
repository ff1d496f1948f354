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
