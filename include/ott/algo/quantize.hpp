#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>
#include <ott/layout/group_block.hpp>

namespace ott {

/// One tensor of one group in the tile, cut into the slices that share parameters.
template <class P, class Quantizer, class Layout>
struct sliced_tile {
  using params = typename Quantizer::params;
  static constexpr int num_fields = Layout::num_fields;
  static constexpr int sets_a_token = P::head_dim / Layout::width;
  static constexpr int num_slices = Layout::by_channel ? P::head_dim : P::group * sets_a_token;

  flush_scratch<P>* scratch;

  /// The values of one slice in their fixed order.
  struct slice {
    float const* first;
    int count;
    int stride;
    OTT_HD constexpr int size() const { return count; }
    OTT_HD constexpr float operator()(int i) const { return first[i * stride]; }
  };

  OTT_HD constexpr slice values(int s) const {
    if constexpr (Layout::by_channel) {
      return {scratch->tile + s, P::group, flush_scratch<P>::row_length};
    } else {
      float const* const row = scratch->row(s / sets_a_token);
      return {row + s % sets_a_token * Layout::width, Layout::width, 1};
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
  OTT_HD constexpr int code(int token, int channel) const {
    if (channel >= P::head_dim) return 0;
    return Quantizer::encode(params_of(slice_of(token, channel)), scratch->row(token)[channel]);
  }
};

/// Chooses the parameters of every slice and stores them.
/// requires every member calls; a sync before parameters are read
template <class P, class Fit, class Quantizer, class Layout, class Team>
OTT_HD constexpr void fit_slices(Team const& team, flush_scratch<P>& scratch,
                                 typename P::param* out) {
  using tile = sliced_tile<P, Quantizer, Layout>;
  using floats = array<float, tile::num_fields>;
  for_each(team, tile::num_slices, [&](int s) {
    auto const fitted = Fit::template of<Quantizer, typename P::param>(tile{&scratch}.values(s));
    floats const fields = bit_cast<floats>(fitted);
    int const token = Layout::by_channel ? 0 : s / tile::sets_a_token;
    int const channel = Layout::by_channel ? s : s % tile::sets_a_token * Layout::width;
    for (int f = 0; f < tile::num_fields; ++f) {
      scratch.params[s * tile::num_fields + f] = fields[f];
      out[Layout::param_index(token, channel, f)] = to_param<typename P::param>(fields[f]);
    }
  });
  if constexpr (Layout::by_channel) {
    for_each(team, Layout::padded_channels - P::head_dim, [&](int i) {
      for (int f = 0; f < tile::num_fields; ++f) {
        out[Layout::param_index(0, P::head_dim + i, f)] = to_param<typename P::param>(0.0f);
      }
    });
  }
}

/// Writes the codes, word by word.
/// requires parameters are published; every member calls
template <class P, class Quantizer, class Layout, class Team>
OTT_HD constexpr void pack_codes(Team const& team, flush_scratch<P>& scratch,
                                 std::uint32_t* words) {
  sliced_tile<P, Quantizer, Layout> const tile{&scratch};
  for_each(team, Layout::codes::num_words, [&](int word) {
    words[word] = Layout::codes::make_word(
        word, [&](int token, int channel) { return tile.code(token, channel); });
  });
}

/// Stores the key factors; refitted ones make <k, k'> = <k, k>, so that logits are unbiased.
/// requires parameters are published; a token has one owner: sums run in channel order
/// source   docs/method.md, Extensions
template <class P, class Team>
OTT_HD constexpr void store_factors(Team const& team, flush_scratch<P>& scratch, half* out) {
  using quantizer = typename P::key_quantizer;
  sliced_tile<P, quantizer, key_layout<P>> const tile{&scratch};
  for_each(team, P::group, [&](int token) {
    float factor = scratch.factors[token];
    if constexpr (P::key_factor::refitted) {
      float const* const row = scratch.row(token);
      float own = 0;
      float with_codes = 0;
      for (int c = 0; c < P::head_dim; ++c) {
        auto const params = tile.params_of(tile.slice_of(token, c));
        float const read = quantizer::decode(params, tile.code(token, c));
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
