#pragma once

#include <ott/algo/encode.hpp>
#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/ranges.hpp>
#include <ott/algo/slices.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>
#include <ott/layout/group_block.hpp>

namespace ott {
namespace detail {

/// Members for one slice: where a team is known to have them, one finds the parameters and one
/// each bound.
template <class P, class Fit, class Quantizer, class Team>
OTT_HD constexpr int members_a_slice(int slices) {
  if constexpr (compares_elements<P, Quantizer, Fit> && requires { Team::fixed_size; }) {
    constexpr int most = 1 + Quantizer::max_code;
    return Team::fixed_size >= most * slices ? most : 1;
  } else {
    return 1;
  }
}

/// min_max over elements, many members to a slice: the ends of a range do not mind the order.
/// requires the parts' ranges are published; then a sync
template <class P, class Fit, class Quantizer, class Layout, class Team, class Share = whole_tensor>
OTT_HD constexpr void fit_ranges(Team const& team, flush_scratch<P>& scratch,
                                 typename P::param* out, Share share = {}) {
  constexpr int slices = Share::size(num_slices<P, Layout>);
  constexpr int members = members_a_slice<P, Fit, Quantizer, Team>(slices);
  for_each(team, members * slices, [&](int i) {
    int const s = share.first(num_slices<P, Layout>) + i % slices;
    auto const range = range_parts<P, Quantizer, Layout>::of(team, scratch, s);
    auto const params = stored<Quantizer, typename P::param>(Quantizer::fit(range.lo, range.hi));
    if (i < slices) keep_params<P, Quantizer, Layout>(scratch, out, s, params);
    keep_bounds<P, Fit, Quantizer, Layout, members>(scratch, s, params, i / slices);
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
template <class P, class Fit, class Quantizer, class Layout, class Team, class Share = whole_tensor>
OTT_HD constexpr void fit_slices(Team const& team, flush_scratch<P>& scratch,
                                 typename P::param* out, Share share = {}) {
  static_assert(Share::count == 1 || flush_scratch<P>::holds_elements);
  using param = typename P::param;
  if constexpr (flush_scratch<P>::holds_elements) {
    detail::range_parts<P, Quantizer, Layout>::find(team, scratch, share);
    team.sync();
    detail::fit_ranges<P, Fit, Quantizer, Layout>(team, scratch, out, share);
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
