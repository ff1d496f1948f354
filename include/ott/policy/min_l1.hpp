#pragma once

#include <cstdint>

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

namespace detail {

/// |x| of a finite fp16 number in units of 2^-24: exact, so that its sums are exact in any order.
OTT_HD constexpr std::uint64_t magnitude_units(half x) {
  std::uint32_t const exponent = (x.bits >> 10) & 31u;
  std::uint64_t const mantissa = x.bits & 0x3ffu;
  return exponent == 0 ? mantissa : (mantissa | 0x400u) << (exponent - 1);
}

/// Sum of |x|: integers for fp16, fp64 in channel order for wider elements.
template <class T>
OTT_HD constexpr std::uint64_t l1_score(key_row<T> row) {
  if (!row_is_finite(row)) return never_traced;
  if constexpr (std::same_as<T, half>) {
    std::uint64_t sum = 0;
    for (int c = 0; c < row.size(); ++c) sum += magnitude_units(row(c));
    return sum;
  } else {
    double sum = 0;
    for (int c = 0; c < row.size(); ++c) {
      sum = exact_add(sum, static_cast<double>(exact_abs(to_float(row(c)))));
    }
    return ordered(sum);
  }
}

}  // namespace detail

/// Traces the keys of smallest L1 norm: the paper's rule. A key with NaN or infinity is never
/// traced.
/// source   OTT (arXiv 2505.10938); docs/method.md, flush step 1
struct min_l1 {
  static constexpr char const* name = "min_l1";
  template <class T>
  OTT_HD static constexpr std::uint64_t score(key_row<T> row, int) {
    return detail::l1_score(row);
  }
};

}  // namespace ott
