#pragma once

#include <cstdint>

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/slices.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/algo/tile.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>
#include <ott/policy/fit.hpp>

// Smallest and largest element of every slice, a word of elements at a time.
namespace ott::detail {

/// No element yet: what any range widens.
template <class T>
OTT_HD constexpr word_range nothing_yet() {
  using chunk = element_chunk<T>;
  return {chunk::filled(from_float<T>(infinity())), chunk::filled(from_float<T>(-infinity()))};
}

/// Ranges of all channels but for traced tokens (`Untraced`: it is known that there are none), a
/// word of channels at a time, in parts.
/// shape    ranges: [part][words of a row]
template <class P, bool Untraced, class Team, class Share>
OTT_HD constexpr void range_channels(Team const& team, flush_scratch<P>& scratch, Share share) {
  using element = typename P::element;
  constexpr int per_word = element_chunk<element>::per_word;
  constexpr int words = P::head_dim / per_word;
  constexpr int parts = flush_scratch<P>::channel_parts;
  constexpr int at_once = 2;
  constexpr int across = Share::size(words / at_once);
  for_each(team, across * parts, [&](int i) {
    int const word = (share.first(words / at_once) + i % across) * at_once;
    int const part = i / across;
    array<word_range, at_once> ranges{};
    for (int w = 0; w < at_once; ++w) ranges[w] = nothing_yet<element>();
    for (int n = 0; n < P::group / parts; n += 4) {  // groups are multiples of 32 tokens
      int const first = part * (P::group / parts) + n;
      std::uint32_t const marks = Untraced ? 0u : scratch.stand_ins(first / 32) >> first % 32;
      OTT_UNROLL
      for (int t = 0; t < 4; ++t) {
        if ((marks >> t & 1u) != 0) continue;
        auto const x = scratch.tile.template words_at<at_once>(first + t, word * per_word);
        OTT_UNROLL
        for (int w = 0; w < at_once; ++w) {
          ranges[w] = widened<element>(team, ranges[w], {x[w], x[w]});
        }
      }
    }
    OTT_UNROLL
    for (int w = 0; w < at_once; ++w) scratch.ranges[part * words + word + w] = ranges[w];
  });
}

/// Ranges of `width` channels of each token, words as they come, in parts.
/// shape    ranges: [part][token]
template <class P, class Team, class Share>
OTT_HD constexpr void range_tokens(Team const& team, flush_scratch<P>& scratch, int width,
                                   Share share) {
  using element = typename P::element;
  using chunk = element_chunk<element>;
  constexpr int tokens = Share::size(P::group);
  for_each(team, P::head_dim / width * tokens, [&](int i) {
    word_range range = nothing_yet<element>();
    int const token = share.first(P::group) + i % tokens;
    int const first = i / tokens * width;
    for (int channel = first; channel < first + width; channel += chunk::size) {
      auto const x = scratch.tile.template words_at<4>(token, channel);
      OTT_UNROLL
      for (int w = 0; w < 4; ++w) range = widened<element>(team, range, {x[w], x[w]});
    }
    scratch.ranges[i / tokens * P::group + token] = range;
  });
}

/// The smallest and largest of so many neighbours in shared memory; NaN is passed over. A team may
/// have whole warps look, which then all ask for the same.
template <int Count, class Team>
OTT_HD constexpr value_range ends_of(Team const& team, float const* x) {
  if constexpr (requires { team.template ends_of<Count>(x); }) {
    return team.template ends_of<Count>(x);
  } else {
    value_range ends{infinity(), -infinity()};
    for (int i = 0; i < Count; ++i) ends = {lesser(ends.lo, x[i]), greater(ends.hi, x[i])};
    return ends;
  }
}

/// The range of one slice from its parts and, where tokens were traced, from what stands in.
template <class P, class Layout, class Team>
OTT_HD constexpr value_range range_of_slice(Team const& team, flush_scratch<P> const& scratch,
                                            int token, int channel, int first, int stride,
                                            int parts) {
  using element = typename P::element;
  using chunk = element_chunk<element>;
  value_range ends{infinity(), -infinity()};
  auto const add = [&](float lo, float hi) { ends = {lesser(ends.lo, lo), greater(ends.hi, hi)}; };
  if (Layout::by_channel || !scratch.stands_in(token)) {
    word_range range = scratch.ranges[first];
    for (int part = 1; part < parts; ++part) {
      range = widened<element>(team, range, scratch.ranges[first + part * stride]);
    }
    for (int i = 0; i < chunk::per_word; ++i) {
      if (Layout::by_channel && i != channel % chunk::per_word) continue;
      add(to_float(chunk::from_word(range.lo, i)), to_float(chunk::from_word(range.hi, i)));
    }
  }
  if (scratch.num_traced != 0) {
    if constexpr (Layout::by_channel) {
      add(scratch.stand_in[channel], scratch.stand_in[channel]);
    } else if constexpr (Layout::width == P::head_dim && P::head_dim % 32 == 0) {
      auto const stand_in = ends_of<P::head_dim>(team, scratch.stand_in);
      if (scratch.stands_in(token)) add(stand_in.lo, stand_in.hi);
    } else if (scratch.stands_in(token)) {
      for (int c = channel; c < channel + Layout::width; ++c) {
        add(scratch.stand_in[c], scratch.stand_in[c]);
      }
    }
  }
  return ends.lo <= ends.hi ? ends : value_range{0.0f, 0.0f};  // else nothing but NaN
}

/// How the elements of a slice are shared out while their range is found.
template <class P, class Quantizer, class Layout>
struct range_parts {
  using tile = sliced_tile<P, Quantizer, Layout>;
  static constexpr int per_word = element_chunk<typename P::element>::per_word;
  static constexpr bool halved = tile::sets_a_token == 1 && P::head_dim % 32 == 0;
  static constexpr int count = Layout::by_channel ? flush_scratch<P>::channel_parts
                               : halved           ? 2
                                                  : 1;
  static constexpr int stride = Layout::by_channel ? P::head_dim / per_word : P::group;

  /// Finds the parts' ranges; then a sync.
  template <bool Untraced = false, class Team, class Share = whole_tensor>
  OTT_HD static constexpr void find(Team const& team, flush_scratch<P>& scratch, Share share = {}) {
    if constexpr (Layout::by_channel) {
      range_channels<P, Untraced>(team, scratch, share);
    } else {
      range_tokens<P>(team, scratch, halved ? P::head_dim / 2 : Layout::width, share);
    }
  }
  /// The range of slice s. requires the parts are published
  template <class Team>
  OTT_HD static constexpr value_range of(Team const& team, flush_scratch<P> const& scratch, int s) {
    int const token = Layout::by_channel ? 0 : s / tile::sets_a_token;
    int const set = Layout::by_channel ? s : s % tile::sets_a_token;
    int const channel = Layout::by_channel ? s : set * Layout::width;
    int const first = Layout::by_channel ? s / per_word : set * P::group + token;
    return range_of_slice<P, Layout>(team, scratch, token, channel, first, stride, count);
  }
};

}  // namespace ott::detail
