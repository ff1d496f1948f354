#pragma once

#include <ott/algo/flush.hpp>
#include <ott/algo/position_rows.hpp>
#include <ott/algo/team.hpp>
#include <ott/core/view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// What appending `count` tokens does to one sequence: it follows from lengths alone.
struct append_plan {
  int length;      // before
  int num_groups;  // before
  int new_length;
  int new_groups;
};

template <class P>
OTT_HD constexpr append_plan plan_append(head_state<P> const& state, int count) {
  int const length = state.length + count;
  return {state.length, state.num_groups, length, groups_after<P>(state.num_groups, length)};
}

/// Are the pages of all groups that the plan flushes there?
template <class P>
OTT_HD constexpr bool has_pages(sequence_view<P> const& seq, append_plan plan) {
  for (int group = plan.num_groups; group < plan.new_groups; ++group) {
    if (!seq.has_page(group)) return false;
  }
  return true;
}

/// Writes the new tokens that no flush has consumed into the window.
/// requires the flushes of the plan are done: their rows may be overwritten
template <class P, class Team>
OTT_HD constexpr void fill_window(Team const& team, head_state<P>& state, append_plan plan,
                                  view<typename P::element const> k,
                                  view<typename P::element const> v, int kv_head) {
  int const begin = plan.new_groups * P::group;
  int const first = begin > plan.length ? begin : plan.length;
  int const count = plan.new_length - first;
  auto const pos_of = [&](int i) { return first + (i < count ? i : i - count); };
  copy_rows<P>(
      team, 2 * count,
      [&](int i) {
        int const row = pos_of(i) - plan.length;
        return i < count ? k.row(row, kv_head) : v.row(row, kv_head);
      },
      [&](int i) {
        return (i < count ? state.window_k : state.window_v) + head_state<P>::window_row(pos_of(i));
      });
}

/// Does the window hold the new tokens beside those that are there? Then writing them first takes
/// nothing from the plan's flushes.
template <class P>
OTT_HD constexpr bool fits_window(append_plan plan) {
  return plan.new_length - plan.num_groups * P::group <= window_capacity<P>;
}

/// Appends tokens to one KV head of one sequence and flushes what is due, one group at a time by
/// position: the state does not depend on how tokens were cut into appends. False: a page is
/// missing and nothing was changed.
/// shape    k, v: [tokens, kv_heads, head_dim], the sequence's own rows
/// requires every member calls
template <class P, class Team>
OTT_HD constexpr bool append_tokens(Team const& team, flush_scratch<P>& scratch,
                                    sequence_view<P> const& seq, int pool_capacity,
                                    view<typename P::element const> k,
                                    view<typename P::element const> v) {
  head_state<P>& state = *seq.state;
  append_plan const plan = plan_append(state, k.tokens);
  if (!has_pages(seq, plan)) return false;
  position_rows<P> const rows{&state, k, v, seq.kv_head, plan.length};
  for (int group = plan.num_groups; group < plan.new_groups; ++group) {
    flush_group<P>(team, scratch, rows, state, seq.block(group), group * P::group, pool_capacity);
  }
  team.sync();  // window rows were read by the flushes, the lengths by everyone
  fill_window<P>(team, state, plan, k, v, seq.kv_head);
  if (team.rank() == 0) {
    state.length = plan.new_length;
    state.num_groups = plan.new_groups;
  }
  return true;
}

}  // namespace ott
