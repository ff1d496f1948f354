#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/ranges.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/algo/tile.hpp>
#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>

namespace ott {

namespace detail {

/// Sum and ends of one channel over the tokens that were not traced.
template <class P>
class channel_sum {
  static constexpr bool elements = flush_scratch<P>::holds_elements;
  using value = std::conditional_t<elements, typename P::element, float>;
  using chunk = element_chunk<value>;

 public:
  static constexpr int at_once = 16;

  OTT_HD constexpr explicit channel_sum(int channel)
      : channel_{channel}, place_{channel % chunk::per_word} {}

  /// Adds the tokens from `first` on but for those marked; `Untraced`: there are none such. What is
  /// added for them changes nothing: to any sum -0, to a range what it begins with.
  template <bool Untraced, class Team>
  OTT_HD constexpr void add(Team const& team, flush_scratch<P> const& scratch, int first,
                            std::uint32_t marks) {
    array<std::uint32_t, at_once> words{};  // ends are those of all elements of a word
    OTT_UNROLL
    for (int i = 0; i < at_once; ++i) {
      if constexpr (elements) {
        words[i] = scratch.tile.template words_at<1>(first + i, channel_)[0];
      } else {
        words[i] = bit_cast<std::uint32_t>(scratch.tile.value(first + i, channel_));
      }
    }
    OTT_UNROLL
    for (int i = 0; i < at_once; ++i) {
      bool const skipped = !Untraced && (marks >> i & 1u) != 0;
      word_range const own = skipped ? nothing_yet<value>() : word_range{words[i], words[i]};
      sum_ = exact_add(sum_, skipped ? -0.0f : to_float(chunk::from_word(words[i], place_)));
      ends_ = widened<value>(team, ends_, own);
    }
  }
  /// What stands in for the others.
  OTT_HD constexpr float stand_in(int count) const {
    return P::substitution::of(sum_, count, to_float(chunk::from_word(ends_.lo, place_)),
                               to_float(chunk::from_word(ends_.hi, place_)));
  }

 private:
  int channel_;
  int place_;  // in its word
  float sum_ = 0;
  word_range ends_ = nothing_yet<value>();
};

}  // namespace detail

/// Finds what stands in traced tokens' places, channel by channel; rows in fp32 are rewritten.
/// requires marks are published and there are some; a channel has one owner: its sum runs in
///          position order
/// shape    channels: a share of them
/// source   docs/method.md, flush step 2
template <class P, class Team, class Share = whole_tensor>
OTT_HD constexpr void substitute_rows(Team const& team, flush_scratch<P>& scratch,
                                      Share channels = {}) {
  using sum_type = detail::channel_sum<P>;
  static_assert(P::group % 32 == 0 && 32 % sum_type::at_once == 0);
  for_each(team, Share::size(P::head_dim), [&](int own) {
    int const channel = channels.first(P::head_dim) + own;
    sum_type sum(channel);
    for (int first = 0; first < P::group; first += sum_type::at_once) {
      std::uint32_t const marks =
          scratch.marks[first / 32] >> first % 32 & ((1u << sum_type::at_once) - 1u);
      if (marks == 0) {
        sum.template add<true>(team, scratch, first, marks);
      } else {
        sum.template add<false>(team, scratch, first, marks);
      }
    }
    float const stand_in = sum.stand_in(P::group - scratch.num_traced);
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
