#pragma once

#include <cstdint>

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>

namespace ott {

namespace detail {

/// Calls take(x) for each untraced element of a channel, in position order.
template <class P, class Take>
OTT_HD constexpr void each_untraced(flush_scratch<P> const& scratch, int channel,
                                    Take const& take) {
  constexpr int at_once = 8;
  for (int first = 0; first < P::group; first += at_once) {
    std::uint32_t const marks = scratch.marks[first / 32] >> first % 32;
    array<float, at_once> x{};
    OTT_UNROLL
    for (int i = 0; i < at_once; ++i) x[i] = scratch.tile.value(first + i, channel);
    OTT_UNROLL
    for (int i = 0; i < at_once; ++i) {
      if ((marks >> i & 1u) == 0) take(x[i]);
    }
  }
}

}  // namespace detail

/// Finds what stands in traced tokens' places, channel by channel; rows in fp32 are rewritten.
/// requires marks are published and there are some; a channel has one owner: its sum runs in
///          position order
/// shape    channels: a share of them
/// source   docs/method.md, flush step 2
template <class P, class Team, class Share = whole_tensor>
OTT_HD constexpr void substitute_rows(Team const& team, flush_scratch<P>& scratch,
                                      Share channels = {}) {
  constexpr int count = Share::size(P::head_dim);
  auto const own = [&](int i) { return channels.first(P::head_dim) + i; };
  if constexpr (flush_scratch<P>::holds_elements) {  // sums and ends by members of their own
    for_each(team, 2 * count, [&](int i) {
      if (i < count) {
        float sum = 0;
        detail::each_untraced(scratch, own(i), [&](float x) { sum = exact_add(sum, x); });
        scratch.stand_in[own(i)] = sum;
      } else {
        float lo = infinity();
        float hi = -infinity();
        detail::each_untraced(scratch, own(i - count), [&](float x) {
          lo = lesser(lo, x);
          hi = greater(hi, x);
        });
        scratch.ranges[own(i - count)] = {bit_cast<std::uint32_t>(lo),
                                          bit_cast<std::uint32_t>(hi)};
      }
    });
    team.sync();
    for_each(team, count, [&](int i) {
      word_range const ends = scratch.ranges[own(i)];
      scratch.stand_in[own(i)] =
          P::substitution::of(scratch.stand_in[own(i)], P::group - scratch.num_traced,
                              bit_cast<float>(ends.lo), bit_cast<float>(ends.hi));
    });
  } else {
    for_each(team, count, [&](int i) {
      float sum = 0;
      float lo = infinity();
      float hi = -infinity();
      detail::each_untraced(scratch, own(i), [&](float x) {
        sum = exact_add(sum, x);
        lo = lesser(lo, x);
        hi = greater(hi, x);
      });
      float const stand_in = P::substitution::of(sum, P::group - scratch.num_traced, lo, hi);
      for (int token = 0; token < P::group; ++token) {
        if (scratch.marked(token)) scratch.tile.row(token)[own(i)] = stand_in;
      }
    });
  }
}

}  // namespace ott
