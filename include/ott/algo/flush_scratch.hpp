#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

/// What a team needs while it flushes one group: shared memory on the device.
/// shape    tile: [group][head_dim + 1], one tensor in fp32; the odd row length keeps column walks
///          of a warp in different banks
template <class P>
struct flush_scratch {
  static constexpr int row_length = P::head_dim + 1;
  static constexpr bool traces = P::pool > 0 && !detail::traces_nothing<typename P::selection>;
  static constexpr bool needs_tile = traces || !exact_keys<P> || !exact_values<P>;
  static constexpr int num_params =
      key_layout<P>::num_param_items > value_layout<P>::num_param_items
          ? key_layout<P>::num_param_items
          : value_layout<P>::num_param_items;

  std::uint64_t scores[P::group];
  std::int32_t order[P::pool > 0 ? P::pool : 1];  // the pool's size of lowest tokens, ascending
  std::int32_t num_before;                        // traced tokens before this group
  std::int32_t num_traced;                        // tokens traced in this group
  std::uint32_t marks[P::group / 32];
  float factors[P::key_factor::present ? P::group : 1];
  float params[num_params > 0 ? num_params : 1];  // as stored, by slice
  float tile[needs_tile ? P::group * row_length : 1];

  OTT_HD constexpr float* row(int token) { return tile + token * row_length; }
  OTT_HD constexpr bool marked(int token) const {
    return (marks[token / 32] >> token % 32 & 1u) != 0;
  }
};

}  // namespace ott
