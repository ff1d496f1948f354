#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>

namespace ott {

/// Fills the tile with one tensor of the group; fp32 where the tile is. `row_of(token)` gives raw
/// elements.
/// requires every member calls; settle() and a sync before the tile is read
template <class P, class Team, class RowOf>
OTT_HD constexpr void load_tile(Team const& team, flush_scratch<P>& scratch, RowOf const& row_of) {
  using chunk = element_chunk<typename P::element>;
  constexpr int row_chunks = P::head_dim / chunk::size;
  for_each(team, P::group * row_chunks, [&](int i) {
    int const token = i / row_chunks;
    int const channel = i % row_chunks * chunk::size;
    if constexpr (flush_scratch<P>::holds_elements) {
      fetch_chunk(team, scratch.tile.at(token, channel), row_of(token) + channel);
    } else {
      chunk const elements = load_chunk(team, row_of(token) + channel);
      float* const to = scratch.tile.row(token) + channel;
      OTT_UNROLL
      for (int e = 0; e < chunk::size; ++e) {
        to[e] =
            to_float(chunk::from_word(elements.words[e / chunk::per_word], e % chunk::per_word));
      }
    }
  });
}

namespace detail {

template <class P, class Rotation, int Step, class Team>
OTT_HD constexpr void rotate_in_units(Team const& team, flush_scratch<P>& scratch) {
  if constexpr (Step < Rotation::template num_steps<P::head_dim>) {
    constexpr int units = P::head_dim / Rotation::template unit_size<P::head_dim, Step>;
    for_each(team, P::group * units, [&](int i) {
      float* const row = scratch.tile.row(i % P::group);
      Rotation::template apply_unit<P::head_dim, Step>(row, i / P::group);
    });
    team.sync();
    rotate_in_units<P, Rotation, Step + 1>(team, scratch);
  }
}

}  // namespace detail

/// Rotates the tile's rows and divides keys by their factor, which is kept in the scratch.
/// requires a token's sums have one owner and run in channel order; every member calls; then a sync
template <class P, class Rotation, bool IsKey, class Team>
OTT_HD constexpr void transform_rows(Team const& team, flush_scratch<P>& scratch) {
  if constexpr (rotation_in_units<Rotation>) {
    detail::rotate_in_units<P, Rotation, 0>(team, scratch);
  } else if constexpr (!Rotation::identity) {
    for_each(team, P::group,
             [&](int token) { Rotation::template apply<P::head_dim>(scratch.tile.row(token)); });
    team.sync();
  }
  if constexpr (IsKey && P::key_factor::present) {
    for_each(team, P::group, [&](int token) {
      float const* const row = scratch.tile.row(token);
      scratch.factors[token] = to_float(to_param<half>(P::key_factor::of(row, P::head_dim)));
    });
    team.sync();
    for_each(team, P::group * P::head_dim, [&](int i) {
      float const factor = scratch.factors[i % P::group];
      float& x = scratch.tile.row(i % P::group)[i / P::group];
      x = factor == 0.0f ? 0.0f : exact_div(x, factor);
    });
  }
}

}  // namespace ott
