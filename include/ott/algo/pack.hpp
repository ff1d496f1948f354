#pragma once

#include <cstdint>

#include <ott/algo/code_pair.hpp>
#include <ott/algo/compare_codes.hpp>
#include <ott/algo/encode.hpp>
#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/slices.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/core/array.hpp>
#include <ott/core/macros.hpp>

namespace ott {

namespace detail {

/// The codes of one pair from its first token and channel on.
template <class P, class Quantizer, class Layout, class Fit, class Plane, int Shift>
OTT_HD constexpr array<std::uint32_t, 2> make_pair(flush_scratch<P> const& scratch, int token,
                                                   int channel) {
  using map = typename Layout::map;
  using pair = code_pair<Plane, map>;
  using encode = encoder<Quantizer, typename P::param, tries_stored<Fit>>;
  using tile = sliced_tile<P, Quantizer, Layout>;
  constexpr int most = Layout::by_channel ? 4 : 8;
  constexpr int at_once = pair::run < most ? pair::run : most;
  constexpr std::uint32_t mask = (1u << Plane::bits) - 1u;
  // A code that counts what it is above is counted in words of their own, one for each thing: one
  // conditional addition of a constant a comparison.
  constexpr bool counts = requires(encode const& e) { e.above(0, 0.0f); };
  constexpr int planes = [] {
    if constexpr (counts) {
      return Quantizer::max_code;
    } else {
      return 1;
    }
  }();
  array<std::uint32_t, 2> packed[planes]{};
  auto const put = [&](encode const& e, float x, int t, int c) {
    fragment_place const p = map::place(t, c);
    if constexpr (counts) {
      OTT_UNROLL
      for (int j = 0; j < planes; ++j) {
        if (e.above(j, x)) packed[j][p.row / 8] += 1u << Plane::shift(p);
      }
    } else {
      packed[0][p.row / 8] |= (static_cast<std::uint32_t>(e(x)) >> Shift & mask) << Plane::shift(p);
    }
  };
  OTT_UNROLL
  for (int n = 0; n < pair::runs * pair::run; n += at_once) {
    int const c = n / pair::run * 8 + n % pair::run;
    if (pair::runs > 1 && channel + c >= P::head_dim) continue;  // padding
    array<encode, at_once> encoders{};
    if constexpr (Layout::by_channel) {
      OTT_UNROLL
      for (int e = 0; e < at_once; ++e) {
        encoders[e] = encode::of(tile{&scratch}.params_of(channel + c + e));
      }
    }
    OTT_UNROLL
    for (int i = 0; i < pair::tokens; ++i) {
      int const t = pair::token(i);
      auto const x = scratch.template values<at_once>(token + t, channel + c);
      if constexpr (!Layout::by_channel) {
        encoders[0] = encode::of(tile{&scratch}.params_of(tile::slice_of(token + t, channel + c)));
      }
      OTT_UNROLL
      for (int e = 0; e < at_once; ++e) {
        put(encoders[Layout::by_channel ? e : 0], x[e], t, c + e);
      }
    }
  }
  OTT_UNROLL
  for (int j = 1; j < planes; ++j) {
    for (int w = 0; w < 2; ++w) packed[0][w] += packed[j][w];
  }
  return packed[0];
}

/// Codes of one plane: all of them, or some bits of each.
template <class P, class Layout, class Plane, class MakePair, class Team, class Share>
OTT_HD constexpr void pack_plane(Team const& team, std::uint32_t* words, Share share,
                                 MakePair const& make) {
  using map = typename Layout::map;
  using pair = code_pair<Plane, map>;
  for_each(team, Share::size(pair::count), [&](int n) {
    int const own = Share::count == 1 ? n : pair::of_share(n, share.index, Share::count);
    int const first = not_negative(pair::first_word(own));
    fragment_place const origin = Plane::place(first, 0, 0);
    int const token = not_negative(map::token(origin));
    int const channel = not_negative(map::channel(origin));
    array<std::uint32_t, 2> codes{};  // those of padding
    if (channel < P::head_dim) codes = make(token, channel);
    store_pair(team, words + first, codes);
  });
}

}  // namespace detail

/// Writes the codes, eight bytes at a time; `Untraced`: it is known that no token was.
/// requires parameters and bounds are published; every member calls
template <class P, class Quantizer, class Layout, class Fit, bool Untraced = false, class Team,
          class Share = whole_tensor>
OTT_HD constexpr void pack_codes(Team const& team, flush_scratch<P> const& scratch,
                                 std::uint32_t* words, Share share = {}) {
  using codes = typename Layout::codes;
  using low = typename codes::low_plane;
  constexpr bool compares = detail::compares_elements<P, Quantizer, Fit>;
  if constexpr (compares) {
    if (Untraced || scratch.num_traced == 0) {  // else some rows are no elements
      detail::pack_plane<P, Layout, low>(team, words, share, [&](int token, int channel) {
        return detail::compare_pair<P, Quantizer, Layout, low>(team, scratch, token, channel);
      });
      return;
    }
  }
  if constexpr (!compares || !Untraced) {
    detail::pack_plane<P, Layout, low>(team, words, share, [&](int token, int channel) {
      return detail::make_pair<P, Quantizer, Layout, Fit, low, 0>(scratch, token, channel);
    });
    if constexpr (codes::split) {
      using high = typename codes::high_plane;
      detail::pack_plane<P, Layout, high>(
          team, words + low::num_words, share, [&](int token, int channel) {
            return detail::make_pair<P, Quantizer, Layout, Fit, high, low::bits>(scratch, token,
                                                                                 channel);
          });
    }
  }
}

}  // namespace ott
