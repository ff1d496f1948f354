#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/score.hpp>
#include <ott/algo/trace.hpp>
#include <ott/core/macros.hpp>

namespace ott {

/// Finds the pool's size of lowest scores among a group's keys in four steps, so that what else a
/// team has to do may share their barriers: found(rank, token) for each.
/// requires the tile holds the group's raw keys; every member calls; a sync after each step
template <class P, class Found>
struct lowest_tokens {
  flush_scratch<P>& scratch;
  Found const& found;

  template <class Team>
  OTT_HD constexpr void sum(Team const& team) const {
    detail::sum_parts<P>(team, scratch);
  }
  template <class Team>
  OTT_HD constexpr void join(Team const& team) const {
    detail::join_parts<P>(team, scratch);
  }
  template <class Team>
  OTT_HD constexpr void rank(Team const& team) const {
    detail::rank_lots<P>(team, scratch);
  }
  template <class Team>
  OTT_HD constexpr void find(Team const& team) const {
    detail::find_lowest<P>(team, scratch, found);
  }
};

}  // namespace ott
