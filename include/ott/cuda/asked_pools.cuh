#pragma once

#include <cstdint>

#include <ott/algo/trace.hpp>
#include <ott/core/bits.hpp>
#include <ott/layout/head_state.hpp>

namespace ott {

/// The entries of a head's pools on their way to the lanes of one warp: all are asked for before it
/// is known how many there are.
template <class P>
struct asked_pools {
  static constexpr int rounds = ceil_div(head_state<P>::num_entries, 32);
  traced_entry entries[rounds];
  int total;

  __device__ void ask(head_state<P> const& state, int lane) {
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      int const e = n * 32 + lane;
      if (e < head_state<P>::num_entries) entries[n] = state.entries[e];
    }
    total = state.num_traced;
  }
  /// What gather_held collects. requires every lane calls; then a sync of the warp
  __device__ void gather(held_entries<P>& held, int lane) const {
    int count = 0;
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      int const e = n * 32 + lane;
      bool const own = e < total && entries[n].evicted == 0;
      unsigned const all = __ballot_sync(~0u, own);
      int const at = count + __popc(all & ((1u << lane) - 1u));
      if (own) held.entries[at] = {entries[n].score, entries[n].pos, e};
      count += __popc(all);
    }
    if (lane == 0) {
      held.count = count;
      held.total = total;
    }
  }
};

}  // namespace ott
