#pragma once

#include <cstdint>

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/layout/head_state.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// How many tokens each pool holds.
struct pool_counts {
  int pool;
  int evicted;
};

template <class P>
OTT_HD constexpr pool_counts count_pools(head_state<P> const& state) {
  int evicted = 0;
  for (int e = 0; e < state.num_traced; ++e) evicted += state.entries[e].evicted;
  return {state.num_traced - evicted, evicted};
}

/// Can any token still enter? Once both pools are full, groups are quantized untraced.
template <class P>
OTT_HD constexpr bool can_trace(head_state<P> const& state, int capacity) {
  if (!flush_scratch<P>::traces || capacity == 0) return false;
  pool_counts const counts = count_pools(state);
  return counts.pool < capacity || counts.evicted < P::evicted;
}

/// Offers one token to the pool: it enters where there is room, or in place of the largest entry,
/// which then moves to the evicted pool. False: it cannot enter, and the tracing of its group ends.
/// source   docs/method.md, flush step 1
template <class P>
OTT_HD constexpr bool offer(head_state<P>& state, int capacity, std::uint64_t score, int pos) {
  if (score == never_traced) return false;
  pool_counts const counts = count_pools(state);
  if (counts.pool >= capacity) {
    if (counts.evicted >= P::evicted) return false;
    int largest = -1;
    for (int e = 0; e < state.num_traced; ++e) {
      traced_entry const& entry = state.entries[e];
      if (entry.evicted != 0) continue;
      if (largest < 0 || entry.score > state.entries[largest].score ||
          (entry.score == state.entries[largest].score && entry.pos > state.entries[largest].pos)) {
        largest = e;
      }
    }
    if (largest < 0 || score >= state.entries[largest].score) return false;  // positions only grow
    state.entries[largest].evicted = 1;
  }
  state.entries[state.num_traced] = {score, pos, 0};
  ++state.num_traced;
  return true;
}

/// Orders the group's lowest scores: rank by counting, exact and stable whatever the team.
/// requires scores are published; a sync before the order is read
template <class P, class Team>
OTT_HD constexpr void rank_lowest(Team const& team, flush_scratch<P>& scratch) {
  for_each(team, P::group, [&](int token) {
    std::uint64_t const score = scratch.scores[token];
    int rank = 0;
    for (int other = 0; other < P::group; ++other) {
      std::uint64_t const s = scratch.scores[other];
      rank += s < score || (s == score && other < token) ? 1 : 0;
    }
    if (rank < P::pool) scratch.order[rank] = token;
  });
}

/// Traces the group: offers its tokens in ascending (score, position), marks those that enter.
/// At most `pool` tokens of one group can enter: a later one is larger than all that did.
/// requires the order is published; every member calls; a sync before marks are read
template <class P, class Team>
OTT_HD constexpr void trace_group(Team const& team, flush_scratch<P>& scratch, head_state<P>& state,
                                  int first_pos, int capacity) {
  if (team.rank() != 0) return;
  scratch.num_before = state.num_traced;
  for (int i = 0; i < capacity && i < P::group; ++i) {
    int const token = scratch.order[i];
    if (!offer(state, capacity, scratch.scores[token], first_pos + token)) break;
    scratch.marks[token / 32] |= 1u << token % 32;
  }
  scratch.num_traced = state.num_traced - scratch.num_before;
}

}  // namespace ott
