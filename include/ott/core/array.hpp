#pragma once

#include <ott/core/macros.hpp>

namespace ott {

/// A fixed array for registers and constants: std::array's operators are host-only in device code.
template <class T, int N>
struct array {
  T items[N > 0 ? N : 1];

  OTT_HD static constexpr int size() { return N; }
  OTT_HD constexpr T& operator[](int i) { return items[i]; }
  OTT_HD constexpr T const& operator[](int i) const { return items[i]; }
};

}  // namespace ott
