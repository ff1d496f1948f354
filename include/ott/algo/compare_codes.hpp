#pragma once

#include <cstdint>

#include <ott/algo/code_pair.hpp>
#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/slices.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/array.hpp>
#include <ott/core/macros.hpp>

// Codes of one or two bits of fp16 elements, two elements an instruction: which bounds an element
// reaches says its code.
namespace ott::detail {

/// The bounds that the elements of one word of the tile are compared with.
template <class P, class Quantizer, class Layout>
OTT_HD constexpr array<std::uint32_t, Quantizer::max_code> bounds_of(
    flush_scratch<P> const& scratch, int token, int channel) {
  using tile = sliced_tile<P, Quantizer, Layout>;
  array<std::uint32_t, Quantizer::max_code> words{};
  OTT_UNROLL
  for (int j = 0; j < words.size(); ++j) {
    half const* const first =
        scratch.bounds + j * tile::num_slices + tile::slice_of(token, channel);
    std::uint32_t const low = first[0].bits;
    words[j] = low | static_cast<std::uint32_t>(first[Layout::by_channel ? 1 : 0].bits) << 16;
  }
  return words;
}

/// The codes of a word's two elements: what is set in `one` for each that is 1 or 3, and in `two`
/// for each that is 2 or 3, both cut to `bit` and its neighbour.
template <class Quantizer, class Team>
OTT_HD constexpr std::uint32_t codes_at(Team const& team, std::uint32_t x,
                                        array<std::uint32_t, Quantizer::max_code> const& bounds,
                                        std::uint32_t bit) {
  if constexpr (Quantizer::bits == 1) {
    return at_least(team, x, bounds[0]) & bit;
  } else {  // the upper bit says which bound the lower one asks for
    std::uint32_t const upper = at_least(team, x, bounds[1]);
    std::uint32_t const low = at_least(team, x, (upper & bounds[2]) | (~upper & bounds[0]));
    return (low & bit) | (upper & (bit << 1));
  }
}

/// make_pair() for slices whose bounds are known.
template <class P, class Quantizer, class Layout, class Plane, class Team>
OTT_HD constexpr array<std::uint32_t, 2> compare_pair(Team const& team,
                                                      flush_scratch<P> const& scratch, int token,
                                                      int channel) {
  using map = typename Layout::map;
  using pair = code_pair<Plane, map>;
  constexpr int at_once = pair::run < 8 ? pair::run : 8;
  constexpr int num_words = at_once / 2;
  // Two neighbouring channels are two bytes of one word where rows are tokens, and the same byte of
  // both words where rows are channels; either way each half of a sum is one byte of two tokens, or
  // of two pairs of channels.
  array<std::uint32_t, 4> sums{};
  OTT_UNROLL
  for (int n = 0; n < pair::runs * pair::run; n += at_once) {
    int const c = n / pair::run * 8 + n % pair::run;
    if (pair::runs > 1 && channel + c >= P::head_dim) continue;  // padding
    array<array<std::uint32_t, Quantizer::max_code>, num_words> bounds{};
    if constexpr (Layout::by_channel) {
      OTT_UNROLL
      for (int w = 0; w < num_words; ++w) {
        bounds[w] = bounds_of<P, Quantizer, Layout>(scratch, 0, channel + c + 2 * w);
      }
    }
    OTT_UNROLL
    for (int i = 0; i < pair::tokens; ++i) {
      int const t = pair::token(i);
      auto const x = scratch.tile.template words_at<num_words>(token + t, channel + c);
      if constexpr (!Layout::by_channel) {
        bounds[0] = bounds_of<P, Quantizer, Layout>(scratch, token + t, channel + c);
      }
      OTT_UNROLL
      for (int w = 0; w < num_words; ++w) {
        fragment_place const p = map::place(t, c + 2 * w);
        int const sum = pair::rows_are_tokens ? p.row / 8 * 2 + p.byte / 2 : p.byte / 2;
        int const shift = Plane::shift(p) % 8 + (pair::rows_are_tokens ? 0 : 8 * (p.byte % 2));
        sums[sum] |= codes_at<Quantizer>(team, x[w], bounds[Layout::by_channel ? w : 0],
                                         0x00010001u << shift);
      }
    }
  }
  if constexpr (pair::rows_are_tokens) {
    auto const bytes = [](std::uint32_t sum) { return (sum & 0xffu) | (sum >> 8 & 0xff00u); };
    return {{bytes(sums[0]) | bytes(sums[1]) << 16, bytes(sums[2]) | bytes(sums[3]) << 16}};
  } else {
    return {{(sums[0] & 0xffffu) | sums[1] << 16, sums[0] >> 16 | (sums[1] & 0xffff0000u)}};
  }
}

}  // namespace ott::detail
