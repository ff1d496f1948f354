#pragma once

#include <cstdint>

#include <ott/algo/score.hpp>
#include <ott/algo/team.hpp>
#include <ott/layout/head_state.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// Do both pools together take one token more? Then it takes the last place of the outlier pool if
/// its score is below that of the token there, which moves to the evicted pool; a free place is
/// last, and anything finite is below it. Ties do not enter: positions only grow.
/// shape    total: tokens in both pools
template <class P>
OTT_HD constexpr bool pools_have_room(int total, int capacity) {
  return traces_tokens<P> && capacity > 0 && total < capacity + P::evicted;
}

/// What decides whether a token enters the pools, at hand while groups are traced.
template <class P>
struct held_entries {
  struct entry {
    std::uint64_t score;
    std::int32_t pos;
    std::int32_t index;  // among the state's entries
  };
  /// What offering a token did.
  struct change {
    bool entered;
    std::int32_t moved;  // the index of the entry that moved to the evicted pool; -1: none
  };
  /// Few entries may lie in registers: they are never asked for by a number.
  static constexpr bool few = P::pool <= 8;
  std::int32_t count;  // tokens in the outlier pool
  std::int32_t total;  // and in both pools
  entry entries[P::pool > 0 ? P::pool : 1];

  /// Scores below this enter.
  OTT_HD constexpr std::uint64_t bar(int capacity) const {
    return pools_have_room<P>(total, capacity) ? last(capacity).what.score : 0;
  }
  /// Offers one token, which enters if its score is below the bar.
  OTT_HD constexpr change offer(int capacity, std::uint64_t score, int pos) {
    if (!pools_have_room<P>(total, capacity)) return {false, -1};
    place const to = last(capacity);
    if (!(score < to.what.score)) return {false, -1};
    put(to.at, {score, pos, total});
    if (count < capacity) ++count;
    ++total;
    return {true, to.what.index};
  }

 private:
  struct place {
    int at;
    entry what;
  };

  /// The place of the next that enters.
  OTT_HD constexpr place last(int capacity) const {
    return count < capacity ? place{count, {never_traced, -1, -1}} : largest();
  }
  OTT_HD constexpr place largest() const {
    place most{0, entries[0]};
    auto const look = [&](int e) {
      entry const own = entries[e];
      if (own.score > most.what.score ||
          (own.score == most.what.score && own.pos > most.what.pos)) {
        most = {e, own};
      }
    };
    if constexpr (few) {
      OTT_UNROLL
      for (int e = 1; e < P::pool; ++e) {
        if (e < count) look(e);
      }
    } else {
      for (int e = 1; e < count; ++e) look(e);
    }
    return most;
  }
  OTT_HD constexpr void put(int at, entry const& what) {
    if constexpr (few) {
      OTT_UNROLL
      for (int e = 0; e < P::pool; ++e) {
        if (e == at) entries[e] = what;
      }
    } else {
      entries[at] = what;
    }
  }
};

/// Collects what the outlier pool holds.
/// shape    state: num_traced and entries of a head_state<P>, or a copy of them
/// requires entries of the state are published; every member calls; then a sync
template <class P, class Team, class State>
OTT_HD constexpr void gather_held(Team const& team, held_entries<P>& held, State const& state) {
  int const total = state.num_traced;
  for_each(team, total, [&](int e) {
    int before = 0;
    for (int i = 0; i < e; ++i) before += state.entries[i].evicted == 0 ? 1 : 0;
    bool const own = state.entries[e].evicted == 0;
    if (own) held.entries[before] = {state.entries[e].score, state.entries[e].pos, e};
    if (e + 1 == total) held.count = before + (own ? 1 : 0);
  });
  if (team.rank() == 0) {
    held.total = total;
    if (total == 0) held.count = 0;
  }
}

/// Keeps in the state that a token entered as the entry of index `at`; num_traced is left to the
/// caller.
template <class State>
OTT_HD constexpr void write_down(State& state, int at, int moved, traced_entry const& own) {
  if (moved >= 0) state.entries[moved].evicted = 1;
  state.entries[at] = own;
}

/// Offers one token to the pools. False: it cannot enter, and the tracing of its group ends.
/// shape    state: num_traced and entries of a head_state<P>, or a copy of them
/// source   docs/method.md, flush step 1
template <class P, class State>
OTT_HD constexpr bool offer(held_entries<P>& held, State& state, int capacity, std::uint64_t score,
                            int pos) {
  auto const change = held.offer(capacity, score, pos);
  if (!change.entered) return false;
  write_down(state, held.total - 1, change.moved, {score, pos, 0});
  state.num_traced = held.total;
  return true;
}

/// The lowest tokens of each sixteen, among which those of the group must be. Aligned: reads of
/// sixteen bytes do not touch what lies before.
template <class P>
struct lowest_by_lot {
  static constexpr int lot = 16;
  static constexpr bool pays = 2 * P::pool <= lot;
  static constexpr int count = pays && P::pool > 0 ? P::group / lot* P::pool : 1;
  alignas(16) std::int32_t tokens[count];
};

namespace detail {

/// How many of `count` tokens come before `token` in (score, position).
template <class TokenAt>
OTT_HD constexpr int rank_among(std::uint64_t const* scores, int token, int count,
                                TokenAt const& token_at) {
  std::uint64_t const score = scores[token];
  int rank = 0;
  OTT_UNROLL_4  // no more: registers
      for (int i = 0; i < count; ++i) {
    int const other = token_at(i);
    rank += scores[other] < score || (scores[other] == score && other < token) ? 1 : 0;
  }
  return rank;
}

}  // namespace detail

namespace detail {

/// The lowest tokens of each lot, among which those of the group must be.
/// requires scores are published; then a sync
template <class P, class Team, class Scratch>
OTT_HD constexpr void rank_lots(Team const& team, Scratch& scratch) {
  using lots = lowest_by_lot<P>;
  if constexpr (lots::pays) {
    for_each(team, P::group, [&](int token) {
      int const first = token / lots::lot * lots::lot;
      int const rank =
          rank_among(scratch.scores, token, lots::lot, [&](int i) { return first + i; });
      if (rank < P::pool) scratch.lots.tokens[token / lots::lot * P::pool + rank] = token;
    });
  }
}

/// Calls found(rank, token) for each of the pool's size of lowest tokens.
/// requires the lots are published
template <class P, class Team, class Scratch, class Found>
OTT_HD constexpr void find_lowest(Team const& team, Scratch const& scratch, Found const& found) {
  using lots = lowest_by_lot<P>;
  constexpr int count = lots::pays ? lots::count : P::group;
  for_each(team, count, [&](int own) {
    auto const token_at = [&](int i) {
      if constexpr (lots::pays) {
        return scratch.lots.tokens[i];
      } else {
        return i;
      }
    };
    int const token = token_at(own);
    int const rank = rank_among(scratch.scores, token, count, token_at);
    if (rank < P::pool) found(rank, token);
  });
}

}  // namespace detail

/// Orders the group's lowest scores: rank by counting, exact and stable whatever the team.
/// requires scores are published; every member calls; a sync before the order is read
template <class P, class Team, class Scratch>
OTT_HD constexpr void rank_lowest(Team const& team, Scratch& scratch) {
  detail::rank_lots<P>(team, scratch);
  team.sync();
  detail::find_lowest<P>(team, scratch, [&](int rank, int token) { scratch.order[rank] = token; });
}

/// Offers a group's tokens in ascending (score, position) and marks those that enter. At most
/// `pool` tokens of one group can: a later one is larger than all that did. Returns how many.
/// requires one member calls; score_at(i), token_at(i): of the i-th lowest; marks are clear
template <class P, class State, class ScoreAt, class TokenAt>
OTT_HD constexpr int offer_lowest(held_entries<P>& held, State& state, int capacity, int first_pos,
                                  ScoreAt const& score_at, TokenAt const& token_at,
                                  std::uint32_t* marks) {
  int const before = held.total;
  for (int i = 0; i < capacity && i < P::group; ++i) {
    int const token = token_at(i);
    if (!offer(held, state, capacity, score_at(i), first_pos + token)) break;
    marks[token / 32] |= 1u << token % 32;
  }
  return held.total - before;
}

/// Traces the group.
/// requires the order and what is held are published; every member calls; a sync before marks are
///          read
template <class P, class Team, class Scratch, class State>
OTT_HD constexpr void trace_group(Team const& team, Scratch& scratch, State& state, int first_pos,
                                  int capacity) {
  if (team.rank() != 0) return;
  scratch.num_before = scratch.held.total;
  scratch.num_traced = offer_lowest<P>(
      scratch.held, state, capacity, first_pos,
      [&](int i) { return scratch.scores[scratch.order[i]]; },
      [&](int i) { return scratch.order[i]; }, scratch.marks);
}

}  // namespace ott
