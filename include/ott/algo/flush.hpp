#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/quantize.hpp>
#include <ott/algo/score.hpp>
#include <ott/algo/substitute.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/trace.hpp>
#include <ott/algo/transform.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

namespace ott {

namespace detail {

/// Copies the rows of the tokens that this group gave to the pools.
template <class P, class Team, class Rows>
OTT_HD constexpr void copy_traced(Team const& team, flush_scratch<P> const& scratch,
                                  head_state<P>& state, Rows const& rows) {
  for_each(team, scratch.num_traced * P::head_dim, [&](int i) {
    int const entry = scratch.num_before + i / P::head_dim;
    int const channel = i % P::head_dim;
    int const pos = state.entries[entry].pos;
    state.traced_k[entry * P::head_dim + channel] = rows.key(pos)[channel];
    state.traced_v[entry * P::head_dim + channel] = rows.value(pos)[channel];
  });
}

template <class P, class Team, class RowOf, class T>
OTT_HD constexpr void copy_exact(Team const& team, RowOf const& row_of, T* out) {
  for_each(team, P::group * P::head_dim,
           [&](int i) { out[i] = row_of(i / P::head_dim)[i % P::head_dim]; });
}

}  // namespace detail

/// Scores the group, traces its outliers and keeps their rows.
/// shape    rows.key(pos), rows.value(pos): raw elements of one position
/// requires every member calls
template <class P, class Team, class Rows>
OTT_HD constexpr void trace_outliers(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                     head_state<P>& state, int first_pos, int capacity) {
  [[maybe_unused]] bool const tracing = can_trace(state, capacity);
  team.sync();  // the scratch and the entries of the group before are no longer read
  for_each(team, P::group / 32, [&](int word) { scratch.marks[word] = 0; });
  if (team.rank() == 0) scratch.num_traced = 0;
  if constexpr (flush_scratch<P>::needs_tile) {
    load_tile<P>(team, scratch, [&](int token) { return rows.key(first_pos + token); });
  }
  team.sync();
  if constexpr (flush_scratch<P>::traces) {
    if (!tracing) return;
    score_group<P>(team, scratch, first_pos);
    team.sync();
    rank_lowest<P>(team, scratch);
    team.sync();
    trace_group<P>(team, scratch, state, first_pos, capacity);
    team.sync();
    detail::copy_traced<P>(team, scratch, state, rows);
  }
}

/// Quantizes one traced group: keys, then values, then marks.
/// requires the tile holds the raw keys; marks are published; every member calls
template <class P, class Team, class Rows>
OTT_HD constexpr void quantize_group(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                     group_block<P>& block, int first_pos) {
  auto const key_of = [&](int token) { return rows.key(first_pos + token); };
  auto const value_of = [&](int token) { return rows.value(first_pos + token); };
  if constexpr (exact_keys<P>) {
    detail::copy_exact<P>(team, key_of, block.key_codes());
  } else {
    transform_rows<P, typename P::key_rotation, true>(team, scratch);
    team.sync();
    substitute_rows<P>(team, scratch);
    team.sync();
    fit_slices<P, typename P::key_fit, typename P::key_quantizer, key_layout<P>>(
        team, scratch, block.key_params());
    team.sync();
    if constexpr (P::key_factor::present) store_factors<P>(team, scratch, block.key_factors());
    pack_codes<P, typename P::key_quantizer, key_layout<P>>(team, scratch, block.key_codes());
    team.sync();
  }
  if constexpr (exact_values<P>) {
    detail::copy_exact<P>(team, value_of, block.value_codes());
  } else {
    load_tile<P>(team, scratch, value_of);
    team.sync();
    transform_rows<P, typename P::value_rotation, false>(team, scratch);
    team.sync();
    substitute_rows<P>(team, scratch);
    team.sync();
    fit_slices<P, typename P::value_fit, typename P::value_quantizer, value_layout<P>>(
        team, scratch, block.value_params());
    team.sync();
    pack_codes<P, typename P::value_quantizer, value_layout<P>>(team, scratch, block.value_codes());
  }
  for_each(team, P::group / 32, [&](int word) { block.v.marks[word] = scratch.marks[word]; });
}

/// Flushes one group: score, trace, substitute, quantize, mark.
/// source   OTT (arXiv 2505.10938); docs/method.md, Append and flush
template <class P, class Team, class Rows>
OTT_HD constexpr void flush_group(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                  head_state<P>& state, group_block<P>& block, int first_pos,
                                  int capacity) {
  trace_outliers<P>(team, scratch, rows, state, first_pos, capacity);
  team.sync();
  quantize_group<P>(team, scratch, rows, block, first_pos);
}

}  // namespace ott
