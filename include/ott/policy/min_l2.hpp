#pragma once

#include <cstdint>

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// Traces the keys of smallest L2 norm: the sum of squares in fp64, in channel order.
struct min_l2 {
  static constexpr char const* name = "min_l2";
  template <class T>
  OTT_HD static constexpr std::uint64_t score(key_row<T> row, int) {
    if (!detail::row_is_finite(row)) return never_traced;
    double sum = 0;
    for (int c = 0; c < row.size(); ++c) {
      double const x = to_float(row(c));
      sum = exact_add(sum, exact_mul(x, x));
    }
    return detail::ordered(sum);
  }
};

}  // namespace ott
