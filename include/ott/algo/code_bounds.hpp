#pragma once

#include <cstdint>

#include <ott/algo/encode.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>

// Codes of fp16 elements by comparison alone. A code grows with its element, so that each code but
// the lowest begins at some fp16 number: found once for a slice, it stands for all the arithmetic.
namespace ott {

/// fp16 numbers in ascending order, from -infinity to infinity; a NaN comes after them.
struct half_order {
  static constexpr int lowest = 0x03ff;
  static constexpr int highest = 0xfc00;

  OTT_HD static constexpr half at(int place) {
    return {static_cast<std::uint16_t>(place < 0x8000 ? 0xffff - place : place - 0x8000)};
  }
  /// requires x is not NaN
  OTT_HD static constexpr int of(half x) {
    return x.bits < 0x8000 ? x.bits + 0x8000 : 0xffff - x.bits;
  }
};

namespace detail {

/// Does encoder<Quantizer, Param, true> compare elements with few bounds?
template <class Quantizer, class Param>
inline constexpr bool has_bounds = false;
template <int Bits>
  requires(Bits <= 2)
inline constexpr bool has_bounds<affine<Bits>, half> = true;

}  // namespace detail

/// The least fp16 number whose code is above j; NaN where there is none.
template <class Encoder>
OTT_HD constexpr half first_above(Encoder const& encode, int j) {
  auto const is_above = [&](int place) { return encode.above(j, to_float(half_order::at(place))); };
  int below = half_order::lowest;  // minus infinity is above nothing
  int above = half_order::highest + 1;
  // The sum rounds to the number or to its neighbour, unless zero and scale cancel.
  half const guess = from_float<half>(exact_add(encode.origin, encode.middle(j)));
  int const place = half_order::of(guess);
  if (place > below && place < above) {
    (is_above(place) ? above : below) = place;
    int const next = above == place ? place - 1 : place + 1;
    if (next > below && next < above) (is_above(next) ? above : below) = next;
  }
  while (above - below > 1) {
    int const middle = (below + above) / 2;
    (is_above(middle) ? above : below) = middle;
  }
  return half_order::at(above);
}

}  // namespace ott
