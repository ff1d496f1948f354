#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/cuda/eight_order.hpp>
#include <ott/cuda/group_shape.hpp>

namespace ott {

namespace detail {

/// Do values lie in one plane of codes, with parameters that fp16 tensor cores can multiply?
template <class P>
constexpr bool half_values() {
  if constexpr (exact_values<P>) {
    return false;
  } else {
    return std::same_as<typename P::param, half> && !value_layout<P>::codes::split;
  }
}

}  // namespace detail

/// Do eight rows at once attend to this policy's groups? Others take two operands of four rows.
template <class P>
inline constexpr bool has_wide_groups = has_integer_groups<P>&& detail::half_values<P>();

/// Does a tile of 4 * Sets rows of this policy?
template <class P, int Sets>
inline constexpr bool is_wide = Sets == 2 && has_wide_groups<P>;

/// Up to eight query rows of one (sequence, KV head) in fp16, in the order in which lanes read
/// them: a row is a column of operand B. Rows are rotated, and multiplied by a power of two of
/// their own that brings their largest element to 2^top_exponent or above: what that, softmax scale
/// and log2(e) make of a row's scores is its unit. A missing row is zero.
/// shape    an eight is eight channels of a row, what one lane reads in one step
template <class P>
struct alignas(128) wide_query {
  static constexpr int steps = group_shape<P>::channel_steps;
  static constexpr bool prepared = true;  // rotated
  static constexpr bool has_units = true;
  static constexpr int rows = 8;
  using order = eight_order<steps>;
  static constexpr int row_eights = order::row_eights;
  static constexpr int eights = rows * row_eights;

  /// Times key scales from 2^least_exponent to below 2^(16 + least_exponent) elements stay below
  /// 2^15, and what fp16 cannot hold of them is below 2^-16 of the largest product. Where codes
  /// have more bits scales are smaller.
  static constexpr int bits = P::key_quantizer::bits;
  static constexpr int top_exponent = bits >= 8 ? 13 : bits >= 4 ? 9 : 7;
  static constexpr int least_exponent = -2 - top_exponent;
  static constexpr float rest_unit = 0x1p-12f;

  struct alignas(16) eight_halves {
    half items[8];
  };
  union {
    eight_halves eight[2][steps][32];      // rounded, and what rounding left, over rest_unit
    float rotating[rows][8 * row_eights];  // where a rotation works before
  };
  float unit[rows];
  std::uint32_t reach[rows];  // where row_eights is no power of two: largest elements, as bits

  OTT_HD static constexpr int row(int eight) { return eight / row_eights; }
  OTT_HD static constexpr int channel(int eight) { return order::channel(eight % row_eights); }
  /// Where channel c of an eight lies: pairs 0, 2, 1, 3, so that operand registers lie
  /// side by side.
  OTT_HD static constexpr int item(int c) { return c / 2 % 2 * 4 + c / 4 * 2 + c % 2; }

  /// Fills eight n. requires x: its channels, 0 past the end; most: the largest |x| of its row;
  /// scale: what scores are to be multiplied by
  OTT_HD void write(int n, float const (&x)[8], float most, float scale) {
    int const place = n % row_eights, step = order::step(place);
    int const lane = row(n) * 4 + order::quarter(place);
    // Of a row of zeros, or nearly, nothing would be left to raise.
    std::uint32_t const size = bit_cast<std::uint32_t>(most < 0x1p-60f ? 0x1p-60f : most) >> 23;
    std::uint32_t const sign = scale < 0 ? 0x80000000u : 0u;  // a unit is positive
    float const raise = bit_cast<float>((254 + top_exponent - size) << 23 | sign);
    eight_halves rounded, rest;
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) {
      float const raised = x[c] * raise;
      half const nearest = from_float<half>(raised);
      rounded.items[item(c)] = nearest;
      rest.items[item(c)] = from_float<half>((raised - to_float(nearest)) * (1 / rest_unit));
    }
    eight[0][step][lane] = rounded;
    eight[1][step][lane] = rest;
    if (place == 0) {
      float const own = bit_cast<float>((size - top_exponent) << 23) * (scale < 0 ? -scale : scale);
      unit[row(n)] = own < 0x1p-100f ? 0x1p-100f : own;
    }
  }
};

}  // namespace ott
