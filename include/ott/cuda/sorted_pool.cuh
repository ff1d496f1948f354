#pragma once

#include <cstdint>

#include <ott/algo/trace.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/layout/head_state.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// held_entries in another shape: scores in ascending order, the same in the registers of every
/// lane, so that the last place is the last.
/// requires one warp calls, every lane
template <class P>
class sorted_pool {
 public:
  static constexpr bool possible = P::pool > 0 && P::pool <= 8;

  /// Holds what the state says.
  __device__ sorted_pool(head_state<P> const& state, int capacity) {
    constexpr int rounds = ceil_div(head_state<P>::num_entries, 32);
    int const lane = static_cast<int>(threadIdx.x) % 32;
    traced_entry entries[rounds];  // all are asked for before it is known how many there are
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      int const e = n * 32 + lane;
      if (e < head_state<P>::num_entries) entries[n] = state.entries[e];
    }
    total_ = state.num_traced;
    capacity_ = capacity;
    OTT_UNROLL
    for (int e = 0; e < P::pool; ++e) {  // places beyond the capacity are first: nothing is below 0
      scores_[e] = e < P::pool - capacity ? 0 : never_traced;
      indices_[e] = -1;
    }
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      bool const used = n * 32 + lane < total_ && entries[n].evicted == 0;
      for (unsigned rest = __ballot_sync(~0u, used); rest != 0; rest &= rest - 1) {
        int const from = __ffs(static_cast<int>(rest)) - 1;
        insert(__shfl_sync(~0u, entries[n].score, from), n * 32 + from);
      }
    }
  }
  /// Scores below this enter.
  __device__ std::uint64_t bar() const {
    return pools_have_room<P>(total_, capacity_) ? scores_[P::pool - 1] : 0;
  }
  /// Tokens in both pools.
  __device__ int total() const { return total_; }
  /// The next token enters. Returns the index of the entry that moves to the evicted pool, or -1.
  /// requires score < bar(); tokens with the same score come in the order of their positions
  __device__ int enter(std::uint64_t score) {
    int const moved = indices_[P::pool - 1];
    insert(score, total_);
    ++total_;
    return moved;
  }

 private:
  /// In place of the largest.
  __device__ void insert(std::uint64_t score, int index) {
    OTT_UNROLL
    for (int e = P::pool - 1; e >= 0; --e) {
      bool const before = e > 0 && score < scores_[e > 0 ? e - 1 : 0];
      if (before) {
        scores_[e] = scores_[e - 1];
        indices_[e] = indices_[e - 1];
      } else if (score < scores_[e] || e == P::pool - 1) {
        scores_[e] = score;
        indices_[e] = index;
      }
    }
  }

  std::uint64_t scores_[P::pool];
  int indices_[P::pool];  // among the state's entries
  int total_;
  int capacity_;
};

}  // namespace ott
