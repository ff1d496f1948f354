#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/pack.hpp>
#include <ott/algo/quantize.hpp>
#include <ott/algo/score.hpp>
#include <ott/algo/substitute.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tensor_share.hpp>
#include <ott/algo/trace.hpp>
#include <ott/algo/transform.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

namespace ott {

/// Copies rows of head_dim elements. shape from(i), to(i): the i-th row
template <class P, class Team, class From, class To>
OTT_HD constexpr void copy_rows(Team const& team, int count, From const& from, To const& to) {
  constexpr int chunk = element_chunk<typename P::element>::size;
  constexpr int row_chunks = P::head_dim / chunk;
  for_each(team, count * row_chunks, [&](int i) {
    int const row = static_cast<int>(static_cast<unsigned>(i) / row_chunks);
    int const channel = static_cast<int>(static_cast<unsigned>(i) % row_chunks) * chunk;
    move_chunk(team, to(row) + channel, from(row) + channel);
  });
}

/// Keeps the rows of the tokens that became entries `first` and up.
/// requires entries are published; every member calls
template <class P, class Team, class Rows>
OTT_HD constexpr void copy_traced(Team const& team, head_state<P>& state, Rows const& rows,
                                  int first, int count) {
  auto const keys_first = [&](int i) { return first + (i < count ? i : i - count); };
  copy_rows<P>(
      team, 2 * count,
      [&](int i) {
        int const pos = state.entries[keys_first(i)].pos;
        return i < count ? rows.key(pos) : rows.value(pos);
      },
      [&](int i) {
        return (i < count ? state.traced_k : state.traced_v) + keys_first(i) * P::head_dim;
      });
}

/// Scores the group in the tile. True for any member: a token may enter the pools.
/// requires the tile holds the group's raw keys, what is held is published; every member calls
template <class P, class Team>
OTT_HD constexpr bool find_outliers(Team const& team, flush_scratch<P>& scratch, int first_pos,
                                    int capacity) {
  std::uint64_t const bar = scratch.held.bar(capacity);
  if (bar == 0) return false;
  score_group<P>(team, scratch, first_pos);
  team.sync();
  bool enters = false;
  for_each(team, P::group, [&](int token) { enters = enters || scratch.scores[token] < bar; });
  return enters;
}

/// Traces the outliers of a scored group and keeps their rows. Then marks are published.
/// shape    rows.key(pos), rows.value(pos): raw elements of one position
/// requires marks are clear; every member calls
template <class P, class Team, class Rows>
OTT_HD constexpr void trace_outliers(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                     head_state<P>& state, int first_pos, int capacity) {
  rank_lowest<P>(team, scratch);
  team.sync();
  trace_group<P>(team, scratch, state, first_pos, capacity);
  team.sync();
  copy_traced<P>(team, state, rows, scratch.num_before, scratch.num_traced);
}

/// No token of the group is traced yet.
template <class P, class Team>
OTT_HD constexpr void clear_marks(Team const& team, flush_scratch<P>& scratch) {
  for_each(team, P::group / 32, [&](int word) { scratch.marks[word] = 0; });
  if (team.rank() == 0) scratch.num_traced = 0;
}

/// Begins to load one tensor of a group: fast where all of it lies in the window.
/// shape    rows.key(pos), rows.value(pos), rows.in_window(): see position_rows
/// requires every member calls; settle() and a sync before the tile is read
template <class P, class Team, class Rows>
OTT_HD constexpr void fetch_group(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                  int first_pos, bool keys) {
  if (first_pos + P::group <= rows.first_new) {
    load_tile<P>(team, scratch, rows.in_window(first_pos, keys));
  } else {
    load_tile<P>(team, scratch, [&](int token) {
      return keys ? rows.key(first_pos + token) : rows.value(first_pos + token);
    });
  }
}

/// Nothing has to happen before a block is written.
struct at_once {
  OTT_HD constexpr void operator()() const {}
};

namespace detail {

/// What quantizing does to the tile before its codes can be written, and the parameters.
template <class P, class Rotation, class Fit, class Quantizer, class Layout, bool IsKey, class Team,
          class Share, class BeforeWrites>
OTT_HD constexpr void prepare_tile(Team const& team, flush_scratch<P>& scratch,
                                   typename P::param* params, Share share,
                                   BeforeWrites const& before_writes) {
  if constexpr (!Rotation::identity || (IsKey && P::key_factor::present)) {
    transform_rows<P, Rotation, IsKey>(team, scratch);
    team.sync();
  }
  if (scratch.num_traced != 0) {
    // Beside the search for ranges, which minds no row that stands in.
    turned_team<Team> const turned{team};
    if constexpr (Layout::by_channel) {
      substitute_rows<P>(turned, scratch, share);
    } else {
      substitute_rows<P>(turned, scratch);
    }
    if constexpr (!flush_scratch<P>::holds_elements) team.sync();
  }
  before_writes();
  fit_slices<P, Fit, Quantizer, Layout>(team, scratch, params, share);
  team.sync();
}

}  // namespace detail

/// Quantizes the keys of one traced group, or a share of them.
/// requires the tile holds them unless they stay exact; marks are published; every member calls; a
///          sync before the tile is written
template <class P, class Team, class Rows, class Share = whole_tensor>
OTT_HD constexpr void quantize_keys(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                    group_block<P>& block, int first_pos, Share share = {}) {
  if constexpr (exact_keys<P>) {
    int const first = share.first(P::group);
    copy_rows<P>(
        team, Share::size(P::group), [&](int i) { return rows.key(first_pos + first + i); },
        [&](int i) { return block.key_codes() + (first + i) * P::head_dim; });
  } else {
    using quantizer = typename P::key_quantizer;
    using fit = typename P::key_fit;
    detail::prepare_tile<P, typename P::key_rotation, fit, quantizer, key_layout<P>, true>(
        team, scratch, block.key_params(), share, at_once{});
    if constexpr (P::key_factor::present) store_factors<P>(team, scratch, block.key_factors());
    pack_codes<P, quantizer, key_layout<P>, fit>(team, scratch, block.key_codes(), share);
  }
}

/// Quantizes the values of one traced group, or a share of them.
/// shape    before_writes(): called by every member before any of the block is written
/// requires the same of the values
template <class P, class Team, class Rows, class Share = whole_tensor, class BeforeWrites = at_once>
OTT_HD constexpr void quantize_values(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                      group_block<P>& block, int first_pos, Share share = {},
                                      BeforeWrites const& before_writes = {}) {
  if constexpr (exact_values<P>) {
    before_writes();
    int const first = share.first(P::group);
    copy_rows<P>(
        team, Share::size(P::group), [&](int i) { return rows.value(first_pos + first + i); },
        [&](int i) { return block.value_codes() + (first + i) * P::head_dim; });
  } else {
    using quantizer = typename P::value_quantizer;
    using fit = typename P::value_fit;
    detail::prepare_tile<P, typename P::value_rotation, fit, quantizer, value_layout<P>, false>(
        team, scratch, block.value_params(), share, before_writes);
    pack_codes<P, quantizer, value_layout<P>, fit>(team, scratch, block.value_codes(), share);
  }
}

/// Flushes one group: score, trace, substitute, quantize, mark.
/// source   OTT (arXiv 2505.10938); docs/method.md, Append and flush
template <class P, class Team, class Rows>
OTT_HD constexpr void flush_group(Team const& team, flush_scratch<P>& scratch, Rows const& rows,
                                  head_state<P>& state, group_block<P>& block, int first_pos,
                                  int capacity) {
  constexpr bool traces = flush_scratch<P>::traces;
  team.sync();  // the scratch and the entries of the group before are no longer read
  if constexpr (traces || !exact_keys<P>) fetch_group<P>(team, scratch, rows, first_pos, true);
  clear_marks<P>(team, scratch);
  if constexpr (traces) gather_held<P>(team, scratch.held, state);
  settle(team);
  team.sync();
  if constexpr (traces) {
    if (scratch.held.bar(capacity) != 0 &&
        any_member(team, find_outliers<P>(team, scratch, first_pos, capacity))) {
      trace_outliers<P>(team, scratch, rows, state, first_pos, capacity);
    }
  }
  for_each(team, P::group / 32, [&](int word) { block.v.marks[word] = scratch.marks[word]; });
  quantize_keys<P>(team, scratch, rows, block, first_pos);
  if constexpr (!exact_values<P>) {
    team.sync();
    fetch_group<P>(team, scratch, rows, first_pos, false);
    settle(team);
    team.sync();
  }
  quantize_values<P>(team, scratch, rows, block, first_pos);
}

}  // namespace ott
