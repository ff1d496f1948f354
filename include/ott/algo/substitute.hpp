#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/exact.hpp>

namespace ott {

/// Replaces the rows of traced tokens in the tile, channel by channel.
/// requires a channel has one owner: its sum runs in position order
/// source   docs/method.md, flush step 2
template <class P, class Team>
OTT_HD constexpr void substitute_rows(Team const& team, flush_scratch<P>& scratch) {
  if (scratch.num_traced == 0) return;
  for_each(team, P::head_dim, [&](int channel) {
    float sum = 0;
    float lo = infinity();
    float hi = -infinity();
    for (int token = 0; token < P::group; ++token) {
      if (scratch.marked(token)) continue;
      float const x = scratch.row(token)[channel];
      sum = exact_add(sum, x);
      lo = lesser(lo, x);
      hi = greater(hi, x);
    }
    float const stand_in = P::substitution::of(sum, P::group - scratch.num_traced, lo, hi);
    for (int token = 0; token < P::group; ++token) {
      if (scratch.marked(token)) scratch.row(token)[channel] = stand_in;
    }
  });
}

}  // namespace ott
