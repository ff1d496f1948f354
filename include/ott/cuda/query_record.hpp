#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/cuda/group_shape.hpp>

namespace ott {

/// Up to 4 * Sets query rows of one (sequence, KV head), in the order in which lanes read them.
/// Rows are rotated, and multiplied by softmax scale and log2(e); a missing row is zero.
/// shape    lane l works on row 4 * set + l / 8; step s of its quad q = l % 4 is the channels
///          (8 q channel_steps + 8 s ..), `exact` holds four of the eight, the other half-pair's lane four
template <class P, int Sets>
struct alignas(128) query_record {
  static constexpr int steps = group_shape<P>::channel_steps;
  static constexpr int rows = 4 * Sets;

  float exact[Sets][steps][32][4];
  typename P::param split[Sets][steps][32][8];  // even l / 4: rounded, odd: what rounding left

  /// Where channel c of eight lies: pairs 0, 2, 1, 3, so that operand registers lie side by side.
  OTT_HD static constexpr int split_place(int c) {
    return c / 2 % 2 * 4 + c / 4 * 2 + c % 2;
  }

  /// Fills what one lane reads in one step; `at(row, channel)` is the prepared query, 0 past the end.
  template <class At>
  OTT_HD constexpr void write(int set, int step, int lane, At const& at) {
    int const row = 4 * set + lane / 8;
    int const odd = lane / 4 % 2;
    int const channel = lane % 4 * 8 * steps + 8 * step;
    for (int c = 0; c < 8; ++c) {
      float const x = at(row, channel + c);
      auto const rounded = from_float<typename P::param>(x);
      auto const rest = from_float<typename P::param>(x - to_float(rounded));
      split[set][step][lane][split_place(c)] = odd ? rest : rounded;
      if (c / 4 == odd) exact[set][step][lane][c % 4] = x;
    }
  }
};

}  // namespace ott
