#pragma once

#include <ott/algo/code_bounds.hpp>
#include <ott/algo/encode.hpp>
#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>
#include <ott/layout/group_block.hpp>

namespace ott {

/// One tensor of one group in the scratch, cut into the slices that share parameters.
template <class P, class Quantizer, class Layout>
struct sliced_tile {
  using params = typename Quantizer::params;
  static constexpr int num_fields = Layout::num_fields;
  static constexpr int sets_a_token = P::head_dim / Layout::width;
  static constexpr int num_slices = detail::num_slices<P, Layout>;

  flush_scratch<P> const* scratch;

  /// The values of one slice in their fixed order.
  struct slice {
    float const* first;
    int count;
    int stride;
    OTT_HD constexpr int size() const { return count; }
    OTT_HD constexpr float operator()(int i) const { return first[i * stride]; }
  };

  /// requires the tile holds fp32
  OTT_HD constexpr slice values(int s) const {
    auto const& tile = scratch->tile;
    if constexpr (Layout::by_channel) {
      return {tile.row(0) + s, P::group, tile.row_length};
    } else {
      return {tile.row(s / sets_a_token) + s % sets_a_token * Layout::width, Layout::width, 1};
    }
  }
  OTT_HD static constexpr int slice_of(int token, int channel) {
    return Layout::by_channel ? channel : token * sets_a_token + channel / Layout::width;
  }
  OTT_HD constexpr params params_of(int s) const {
    array<float, num_fields> fields{};
    for (int f = 0; f < num_fields; ++f) fields[f] = scratch->params[s * num_fields + f];
    return bit_cast<params>(fields);
  }
};

namespace detail {

/// Keeps the parameters of one slice, and stores them.
template <class P, class Quantizer, class Layout>
OTT_HD constexpr void keep_params(flush_scratch<P>& scratch, typename P::param* out, int s,
                                  typename Quantizer::params const& fitted) {
  using tile = sliced_tile<P, Quantizer, Layout>;
  auto const fields = bit_cast<array<float, tile::num_fields>>(fitted);
  int const token = Layout::by_channel ? 0 : s / tile::sets_a_token;
  int const channel = Layout::by_channel ? s : s % tile::sets_a_token * Layout::width;
  for (int f = 0; f < tile::num_fields; ++f) {
    scratch.params[s * tile::num_fields + f] = fields[f];
    out[Layout::param_index(token, channel, f)] = to_param<typename P::param>(fields[f]);
  }
}

/// Keeps where the codes of one slice begin, where elements are compared with that.
template <class P, class Fit, class Quantizer, class Layout>
OTT_HD constexpr void keep_bounds(flush_scratch<P>& scratch, int s,
                                  typename Quantizer::params const& params) {
  if constexpr (compares_elements<P, Quantizer, Fit>) {
    if (scratch.num_traced != 0) return;  // some rows are no elements
    OTT_UNROLL
    for (int j = 0; j < Quantizer::max_code; ++j) {
      scratch.bounds[j * num_slices<P, Layout> + s] =
          first_above(encoder<Quantizer, typename P::param, true>::of(params), j);
    }
  }
}

/// No element yet: what any range widens.
template <class T>
OTT_HD constexpr word_range nothing_yet() {
  using chunk = element_chunk<T>;
  return {chunk::filled(from_float<T>(infinity())), chunk::filled(from_float<T>(-infinity()))};
}

/// Ranges of all channels but for traced tokens (`Untraced`: it is known that there are none), a word of channels at a time, in parts.
/// shape    ranges: [part][words of a row]
template <class P, bool Untraced, class Team>
OTT_HD constexpr void range_channels(Team const& team, flush_scratch<P>& scratch) {
  using element = typename P::element;
  constexpr int per_word = element_chunk<element>::per_word;
  constexpr int words = P::head_dim / per_word;
  constexpr int parts = flush_scratch<P>::channel_parts;
  constexpr int at_once = 2;
  for_each(team, words / at_once * parts, [&](int i) {
    int const word = i % (words / at_once) * at_once;
    int const part = i / (words / at_once);
    array<word_range, at_once> ranges{};
    for (int w = 0; w < at_once; ++w) ranges[w] = nothing_yet<element>();
    for (int n = 0; n < P::group / parts; n += 4) {  // groups are multiples of 32 tokens
      int const first = part * (P::group / parts) + n;
      std::uint32_t const marks =
          Untraced ? 0u : scratch.stand_ins(first / 32) >> first % 32;
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
template <class P, class Team>
OTT_HD constexpr void range_tokens(Team const& team, flush_scratch<P>& scratch, int width) {
  using element = typename P::element;
  using chunk = element_chunk<element>;
  for_each(team, P::head_dim / width * P::group, [&](int i) {
    word_range range = nothing_yet<element>();
    int const first = i / P::group * width;
    for (int channel = first; channel < first + width; channel += chunk::size) {
      auto const x = scratch.tile.template words_at<4>(i % P::group, channel);
      OTT_UNROLL
      for (int w = 0; w < 4; ++w) range = widened<element>(team, range, {x[w], x[w]});
    }
    scratch.ranges[i] = range;
  });
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
  if (Layout::by_channel ? scratch.num_traced != 0 : scratch.stands_in(token)) {
    int const count = Layout::by_channel ? 1 : Layout::width;
    for (int c = channel; c < channel + count; ++c) add(scratch.stand_in[c], scratch.stand_in[c]);
  }
  return ends.lo <= ends.hi ? ends : value_range{0.0f, 0.0f};  // else nothing but NaN
}

/// Parameters of channels that only fill up a tile.
template <class P, class Layout, class Team>
OTT_HD constexpr void clear_padding(Team const& team, typename P::param* out) {
  if constexpr (Layout::by_channel) {
    for_each(team, Layout::padded_channels - P::head_dim, [&](int i) {
      for (int f = 0; f < Layout::num_fields; ++f) {
        out[Layout::param_index(0, P::head_dim + i, f)] = to_param<typename P::param>(0.0f);
      }
    });
  }
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
  template <bool Untraced = false, class Team>
  OTT_HD static constexpr void find(Team const& team, flush_scratch<P>& scratch) {
    if constexpr (Layout::by_channel) {
      range_channels<P, Untraced>(team, scratch);
    } else {
      range_tokens<P>(team, scratch, halved ? P::head_dim / 2 : Layout::width);
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

/// min_max over elements, many members to a slice: the ends of a range do not mind the order.
/// requires the parts' ranges are published; then a sync
template <class P, class Fit, class Quantizer, class Layout, class Team>
OTT_HD constexpr void fit_ranges(Team const& team, flush_scratch<P>& scratch,
                                 typename P::param* out) {
  for_each(team, num_slices<P, Layout>, [&](int s) {
    auto const range = range_parts<P, Quantizer, Layout>::of(team, scratch, s);
    auto const params = stored<Quantizer, typename P::param>(Quantizer::fit(range.lo, range.hi));
    keep_params<P, Quantizer, Layout>(scratch, out, s, params);
    keep_bounds<P, Fit, Quantizer, Layout>(scratch, s, params);
  });
}

/// A search for the parameters of every slice, many members to a slice.
template <class P, class Fit, class Quantizer, class Layout, class Team>
OTT_HD constexpr void search_slices(Team const& team, flush_scratch<P>& scratch,
                                    typename P::param* out) {
  using param = typename P::param;
  using asked = fitted_quantizer<Quantizer, param, Fit>;
  using tile = sliced_tile<P, Quantizer, Layout>;
  using params = array<float, tile::num_fields>;
  constexpr int each = 2 + tile::num_fields;
  for_each(team, Fit::parts * tile::num_slices, [&](int i) {
    auto const result = Fit::template part<asked, param>(
        tile{&scratch}.values(i % tile::num_slices), i / tile::num_slices);
    float* const to = scratch.found + i * each;
    to[0] = result.error;
    to[1] = static_cast<float>(result.trial);
    auto const fields = bit_cast<params>(result.params);
    for (int f = 0; f < tile::num_fields; ++f) to[2 + f] = fields[f];
  });
  team.sync();
  for_each(team, tile::num_slices, [&](int s) {
    auto const found = [&](int part) {
      float const* const from = scratch.found + (part * tile::num_slices + s) * each;
      params fields{};
      for (int f = 0; f < tile::num_fields; ++f) fields[f] = from[2 + f];
      return fit_result<asked>{bit_cast<typename Quantizer::params>(fields), from[0],
                               static_cast<int>(from[1])};
    };
    auto best = found(0);
    for (int part = 1; part < Fit::parts; ++part) best.take_better(found(part));
    keep_params<P, Quantizer, Layout>(scratch, out, s, best.params);
  });
}

}  // namespace detail

/// Chooses the parameters of every slice and stores them.
/// requires every member calls; a sync before parameters are read
template <class P, class Fit, class Quantizer, class Layout, class Team>
OTT_HD constexpr void fit_slices(Team const& team, flush_scratch<P>& scratch,
                                 typename P::param* out) {
  using param = typename P::param;
  if constexpr (flush_scratch<P>::holds_elements) {
    detail::range_parts<P, Quantizer, Layout>::find(team, scratch);
    team.sync();
    detail::fit_ranges<P, Fit, Quantizer, Layout>(team, scratch, out);
  } else if constexpr (fit_in_parts<Fit>) {
    detail::search_slices<P, Fit, Quantizer, Layout>(team, scratch, out);
  } else {
    using tile = sliced_tile<P, Quantizer, Layout>;
    using asked = fitted_quantizer<Quantizer, param, Fit>;
    for_each(team, tile::num_slices, [&](int s) {
      auto const fitted = Fit::template of<asked, param>(tile{&scratch}.values(s));
      detail::keep_params<P, Quantizer, Layout>(scratch, out, s, fitted);
    });
  }
  detail::clear_padding<P, Layout>(team, out);
}

/// Stores the key factors; refitted ones make <k, k'> = <k, k>, so that logits are unbiased.
/// requires parameters are published; a token has one owner: sums run in channel order
/// source   docs/method.md, Extensions
template <class P, class Team>
OTT_HD constexpr void store_factors(Team const& team, flush_scratch<P>& scratch, half* out) {
  using quantizer = typename P::key_quantizer;
  using asked = fitted_quantizer<quantizer, typename P::param, typename P::key_fit>;
  sliced_tile<P, quantizer, key_layout<P>> const tile{&scratch};
  for_each(team, P::group, [&](int token) {
    float factor = scratch.factors[token];
    if constexpr (P::key_factor::refitted) {
      float const* const row = scratch.tile.row(token);
      float own = 0;
      float with_codes = 0;
      for (int c = 0; c < P::head_dim; ++c) {
        auto const params = tile.params_of(tile.slice_of(token, c));
        float const read = read_value<asked>(params, row[c]);
        own = exact_add(own, exact_mul(row[c], row[c]));
        with_codes = exact_add(with_codes, exact_mul(row[c], read));
      }
      float const refitted = exact_mul(factor, exact_div(own, with_codes));
      if (with_codes > 0.0f && is_finite(refitted)) factor = refitted;
    }
    out[token_slot<P::group>(token)] = to_param<half>(factor);
  });
}

}  // namespace ott
