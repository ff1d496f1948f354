#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <ott/core/macros.hpp>

namespace ott {

/// The bits of one object as another type of the same size; constexpr on both sides.
template <class To, class From>
OTT_HD constexpr To bit_cast(From const& from) {
  static_assert(sizeof(To) == sizeof(From), "ott: bit_cast needs types of equal size");
  return __builtin_bit_cast(To, from);
}

template <class T>
OTT_HD constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

template <class T>
OTT_HD constexpr T round_up(T a, T multiple) {
  return ceil_div(a, multiple) * multiple;
}

template <class T>
OTT_HD constexpr bool is_pow2(T x) {
  return x > 0 && (x & (x - 1)) == 0;
}

OTT_HD constexpr int gcd(int a, int b) {
  while (b != 0) {
    int const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/// x, and word to the compiler that it is not negative: dividing it by a constant is then a shift.
OTT_HD constexpr int not_negative(int x) {
  if (x < 0) __builtin_unreachable();
  return x;
}

/// Largest power of two that divides x.
OTT_HD constexpr int pow2_divisor(int x) { return x & -x; }

/// Number of set bits.
OTT_HD constexpr int popcount(std::uint32_t x) {
  x = x - ((x >> 1) & 0x55555555u);
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  return static_cast<int>((((x + (x >> 4)) & 0x0f0f0f0fu) * 0x01010101u) >> 24);
}

}  // namespace ott
