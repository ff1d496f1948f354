#pragma once

#include <ott/algo/code_bounds.hpp>
#include <ott/algo/encode.hpp>
#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
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

/// Keeps where the codes of one slice begin, where elements are compared with that: all of them, or
/// those that one of `Members` finds.
template <class P, class Fit, class Quantizer, class Layout, int Members = 1>
OTT_HD constexpr void keep_bounds(flush_scratch<P>& scratch, int s,
                                  typename Quantizer::params const& params, int member = 0) {
  if constexpr (compares_elements<P, Quantizer, Fit>) {
    if (scratch.num_traced != 0) return;  // some rows are no elements
    OTT_UNROLL
    for (int j = 0; j < Quantizer::max_code; ++j) {
      if ((j + 1) * Members / (1 + Quantizer::max_code) != member) continue;
      scratch.bounds[j * num_slices<P, Layout> + s] =
          first_above(encoder<Quantizer, typename P::param, true>::of(params), j);
    }
  }
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

}  // namespace detail
}  // namespace ott
