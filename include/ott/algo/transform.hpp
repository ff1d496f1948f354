#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/scalar.hpp>

namespace ott {

/// Fills the tile with one tensor of the group, widened to fp32. `row_of(token)` gives raw
/// elements.
/// requires every member calls; a sync before the tile is read
template <class P, class Team, class RowOf>
OTT_HD constexpr void load_tile(Team const& team, flush_scratch<P>& scratch, RowOf const& row_of) {
  for_each(team, P::group * P::head_dim, [&](int i) {
    int const token = i / P::head_dim;
    int const channel = i % P::head_dim;
    scratch.row(token)[channel] = to_float(row_of(token)[channel]);
  });
}

/// Rotates the tile's rows and divides keys by their factor, which is kept in the scratch.
/// requires a token's row has one owner: sums run in channel order
template <class P, class Rotation, bool IsKey, class Team>
OTT_HD constexpr void transform_rows(Team const& team, flush_scratch<P>& scratch) {
  constexpr bool divides = IsKey && P::key_factor::present;
  if constexpr (!Rotation::identity || divides) {
    for_each(team, P::group, [&](int token) {
      float* const row = scratch.row(token);
      Rotation::template apply<P::head_dim>(row);
      if constexpr (divides) {
        float const factor = to_float(to_param<half>(P::key_factor::of(row, P::head_dim)));
        scratch.factors[token] = factor;
        for (int c = 0; c < P::head_dim; ++c) {
          row[c] = factor == 0.0f ? 0.0f : exact_div(row[c], factor);
        }
      }
    });
  }
}

}  // namespace ott
