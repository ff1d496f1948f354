#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/cuda/eight_order.hpp>
#include <ott/cuda/group_shape.hpp>

namespace ott {

/// Up to 4 * Sets query rows of one (sequence, KV head), in the order in which lanes read them.
/// Rows are rotated, and multiplied by softmax scale and log2(e); a missing row is zero.
/// shape    an eight is eight channels of a row, what one lane reads in one step. Lanes r and r + 1
///          (r = lane / 4 even) share a row, so that each eight is there twice: `exact` holds one
///          half each
template <class P, int Sets>
struct alignas(128) query_record {
  static constexpr int steps = group_shape<P>::channel_steps;
  static constexpr bool prepared = true;  // rotated and multiplied
  static constexpr bool has_units = false;
  static constexpr int rows = 4 * Sets;
  using order = eight_order<steps>;
  static constexpr int row_eights = order::row_eights;
  static constexpr int eights = 2 * rows * row_eights;
  using param = typename P::param;

  float exact[Sets][steps][32][4];
  param split[Sets][steps][32][8];  // r even: rounded, r odd: what rounding left

  OTT_HD static constexpr int row(int eight) { return eight / row_eights % rows; }
  OTT_HD static constexpr int channel(int eight) { return order::channel(eight % row_eights); }
  /// Where channel c of an eight lies: pairs 0, 2, 1, 3, so that operand registers lie side by
  /// side.
  OTT_HD static constexpr int item(int c) { return c / 2 % 2 * 4 + c / 4 * 2 + c % 2; }

  /// Fills one eight. requires x: its prepared channels, 0 past the end
  OTT_HD void write(int eight, float const (&x)[8]) {
    int const place = eight % row_eights, step = order::step(place);
    int const odd = (eight / (rows * row_eights) + step) % 2;  // keeps neighbours' banks apart
    int const lane = row(eight) % 4 * 8 + odd * 4 + order::quarter(place);
    param(&parts)[8] = split[row(eight) / 4][step][lane];
    float(&mine)[4] = exact[row(eight) / 4][step][lane];
    struct alignas(16) pack {
      param items[8];
    } both;
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) {
      param const rounded = from_float<param>(x[c]);
      both.items[item(c)] = odd ? from_float<param>(x[c] - to_float(rounded)) : rounded;
    }
    reinterpret_cast<pack&>(parts) = both;
    OTT_UNROLL
    for (int c = 0; c < 4; ++c) mine[c] = odd ? x[c + 4] : x[c];
  }
};

}  // namespace ott
