#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/policy/min_l1.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// Traces the keys of largest L1 norm: the paper's ablation, which does not help.
struct max_l1 {
  static constexpr char const* name = "max_l1";
  template <class T>
  OTT_HD static constexpr std::uint64_t score(key_row<T> row, int) {
    std::uint64_t const norm = detail::l1_score(row);
    return norm == never_traced ? never_traced : never_traced - 1 - norm;
  }
};

}  // namespace ott
