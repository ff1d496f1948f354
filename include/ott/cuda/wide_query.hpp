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

/// Up to eight query rows of one (sequence, KV head), in the order in which lanes read them: a row
/// is a column of operand B. Rows are rotated, and multiplied by softmax scale and log2(e); a
/// missing row is zero.
/// shape    an eight is eight channels of a row, what one lane reads in one step
template <class P>
struct alignas(128) wide_query {
  static constexpr int steps = group_shape<P>::channel_steps;
  static constexpr bool prepared = true;  // rotated and multiplied
  static constexpr int rows = 8;
  using order = eight_order<steps>;
  static constexpr int row_eights = order::row_eights;
  static constexpr int eights = rows * row_eights;
  using param = typename P::param;

  float exact[steps][2][32][4];
  param split[2][steps][32][8];  // rounded, and what rounding left

  OTT_HD static constexpr int row(int eight) { return eight / row_eights; }
  OTT_HD static constexpr int channel(int eight) { return order::channel(eight % row_eights); }
  /// Where channel c of an eight lies in `split`: pairs 0, 2, 1, 3, so that operand registers lie
  /// side by side.
  OTT_HD static constexpr int item(int c) { return c / 2 % 2 * 4 + c / 4 * 2 + c % 2; }

  /// Fills one eight. requires x: its prepared channels, 0 past the end
  OTT_HD void write(int eight, float const (&x)[8]) {
    int const place = eight % row_eights, step = order::step(place);
    int const lane = row(eight) * 4 + order::quarter(place);
    struct alignas(16) halves {
      param items[8];
    } rounded, rest;
    struct alignas(16) floats {
      float items[4];
    } own[2];
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) {
      own[c / 4].items[c % 4] = x[c];
      rounded.items[item(c)] = from_float<param>(x[c]);
      rest.items[item(c)] = from_float<param>(x[c] - to_float(rounded.items[item(c)]));
    }
    OTT_UNROLL
    for (int h = 0; h < 2; ++h) reinterpret_cast<floats&>(exact[step][h][lane]) = own[h];
    reinterpret_cast<halves&>(split[0][step][lane]) = rounded;
    reinterpret_cast<halves&>(split[1][step][lane]) = rest;
  }
};

}  // namespace ott
