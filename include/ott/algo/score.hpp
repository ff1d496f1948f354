#pragma once

#include <cstdint>

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/team.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// The score of one key: small is suspicious.
template <class Rule, class T>
OTT_HD constexpr std::uint64_t score_of(key_row<T> row, int pos) {
  if constexpr (detail::scores_rows<Rule>) {
    return Rule::score(row, pos);
  } else {
    if (!detail::row_is_finite(row)) return never_traced;
    std::int64_t sum = 0;
    for (int c = 0; c < row.size(); ++c) sum += Rule::term(to_float(row(c)));
    return static_cast<std::uint64_t>(sum);
  }
}

/// Scores the raw keys in the tile.
/// requires the tile holds the group's raw keys; every member calls; then a sync
template <class P, class Team>
OTT_HD constexpr void score_group(Team const& team, flush_scratch<P>& scratch, int first_pos) {
  for_each(team, P::group, [&](int token) {
    key_row<typename P::element> const row{scratch.row(token), P::head_dim};
    scratch.scores[token] = score_of<typename P::selection>(row, first_pos + token);
  });
}

}  // namespace ott
