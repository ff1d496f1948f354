#pragma once

#include <ott/algo/flush_scratch.hpp>
#include <ott/algo/pack.hpp>
#include <ott/algo/quantize.hpp>
#include <ott/algo/score.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/trace.hpp>
#include <ott/layout/group_block.hpp>

// Whole groups at once, before anything is known of tracing: what flush_group does, with fewer
// barriers and without the code for rows that stand in.
namespace ott {

/// Quantizes the keys in the tile as if none were traced and, if `scores`, finds the lowest tokens
/// beside it: `lowest` is a lowest_tokens, or does the same.
/// requires the policy quantizes elements; every member calls; nothing is marked
template <class P, class Team, class Lowest>
  requires(flush_scratch<P>::holds_elements && !exact_keys<P>)
OTT_HD constexpr void quantize_untraced_keys(Team const& team, flush_scratch<P>& scratch,
                                             group_block<P>& block, bool scores,
                                             Lowest const& lowest) {
  using quantizer = typename P::key_quantizer;
  using fit = typename P::key_fit;
  using layout = key_layout<P>;
  if constexpr (flush_scratch<P>::traces) {
    if (scores) lowest.sum(team);
  }
  detail::range_parts<P, quantizer, layout>::template find<true>(team, scratch);
  team.sync();
  if constexpr (flush_scratch<P>::traces) {
    if (scores) lowest.join(team);
  }
  detail::fit_ranges<P, fit, quantizer, layout>(turned_team<Team>{team}, scratch,
                                                block.key_params());
  detail::clear_padding<P, layout>(team, block.key_params());
  team.sync();
  if constexpr (flush_scratch<P>::traces) {
    if (scores) lowest.rank(team);
  }
  pack_codes<P, quantizer, layout, fit, true>(team, scratch, block.key_codes());
  if constexpr (flush_scratch<P>::traces) {
    if (!scores) return;
    team.sync();
    lowest.find(team);
  }
}

/// The same of values.
template <class P, class Team>
  requires(flush_scratch<P>::holds_elements && !exact_values<P>)
OTT_HD constexpr void quantize_untraced_values(Team const& team, flush_scratch<P>& scratch,
                                               group_block<P>& block) {
  using quantizer = typename P::value_quantizer;
  using fit = typename P::value_fit;
  using layout = value_layout<P>;
  detail::range_parts<P, quantizer, layout>::template find<true>(team, scratch);
  team.sync();
  detail::fit_ranges<P, fit, quantizer, layout>(team, scratch, block.value_params());
  detail::clear_padding<P, layout>(team, block.value_params());
  team.sync();
  pack_codes<P, quantizer, layout, fit, true>(team, scratch, block.value_codes());
}

}  // namespace ott
