#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/core/exact.hpp>

namespace ott {

/// Finds what stands in traced tokens' places, channel by channel; rows in fp32 are rewritten.
/// requires marks are published and there are some; a channel has one owner: its sum runs in
///          position order
/// shape    channels: a share of them
/// source   docs/method.md, flush step 2
template <class P, class Team, class Share = whole_tensor>
OTT_HD constexpr void substitute_rows(Team const& team, flush_scratch<P>& scratch,
                                      Share channels = {}) {
  constexpr int at_once = 8;
  for_each(team, Share::size(P::head_dim), [&](int own) {
    int const channel = channels.first(P::head_dim) + own;
    float sum = 0;
    float lo = infinity();
    float hi = -infinity();
    for (int first = 0; first < P::group; first += at_once) {
      std::uint32_t const marks = scratch.marks[first / 32] >> first % 32;
      array<float, at_once> x{};
      OTT_UNROLL
      for (int i = 0; i < at_once; ++i) x[i] = scratch.tile.value(first + i, channel);
      OTT_UNROLL
      for (int i = 0; i < at_once; ++i) {
        if ((marks >> i & 1u) != 0) continue;
        sum = exact_add(sum, x[i]);
        lo = lesser(lo, x[i]);
        hi = greater(hi, x[i]);
      }
    }
    float const stand_in = P::substitution::of(sum, P::group - scratch.num_traced, lo, hi);
    if constexpr (flush_scratch<P>::holds_elements) {
      scratch.stand_in[channel] = stand_in;
    } else {
      for (int token = 0; token < P::group; ++token) {
        if (scratch.marked(token)) scratch.tile.row(token)[channel] = stand_in;
      }
    }
  });
}

}  // namespace ott
