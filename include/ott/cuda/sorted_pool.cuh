#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/layout/head_state.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// What both pools of one head hold, some entries a lane. requires one warp calls, every lane
template <class P>
class lane_entries {
 public:
  static constexpr int rounds = ceil_div(head_state<P>::num_entries, 32);

  lane_entries() = default;
  /// All are asked for before it is known how many there are.
  __device__ explicit lane_entries(head_state<P> const& state) {
    int const lane = static_cast<int>(threadIdx.x) % 32;
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      int const e = n * 32 + lane;
      if (e < head_state<P>::num_entries) entries_[n] = state.entries[e];
    }
    total = state.num_traced;
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      pooled[n] = __ballot_sync(~0u, n * 32 + lane < total && entries_[n].evicted == 0);
    }
  }
  /// Scores below this enter.
  __device__ std::uint64_t bar(int capacity) const {
    int const lane = static_cast<int>(threadIdx.x) % 32;
    int count = 0;
    std::uint64_t most = 0;
    OTT_UNROLL
    for (int n = 0; n < rounds; ++n) {
      count += __popc(pooled[n]);
      bool const own = (pooled[n] >> lane & 1u) != 0;
      if (own && entries_[n].score > most) most = entries_[n].score;
    }
    if (capacity == 0) return 0;
    if (count < capacity) return never_traced;
    if (total - count >= P::evicted) return 0;
    auto const high = static_cast<unsigned>(most >> 32);
    unsigned const most_high = __reduce_max_sync(~0u, high);
    unsigned const low = high == most_high ? static_cast<unsigned>(most) : 0;
    return std::uint64_t{most_high} << 32 | __reduce_max_sync(~0u, low);
  }
  /// The score of entry n * 32 + from, to every lane.
  __device__ std::uint64_t score(int n, int from) const {
    return __shfl_sync(~0u, entries_[n].score, from);
  }

  int total = 0;
  unsigned pooled[rounds] = {};  // entries of the outlier pool, a bit each

 private:
  traced_entry entries_[rounds];
};

/// The outlier pool of one head while its groups are traced: scores in ascending order, the same in
/// the registers of every lane. What enters is what held_entries lets enter.
/// requires one warp calls, every lane
template <class P>
class sorted_pool {
 public:
  static constexpr bool possible = P::pool > 0 && P::pool <= 8;

  /// Nothing is held.
  sorted_pool() = default;
  __device__ sorted_pool(lane_entries<P> const& held, int capacity)
      : total_{held.total}, most_{capacity == 0 ? 0 : capacity + P::evicted} {
    OTT_UNROLL
    for (int e = 0; e < P::pool; ++e) {  // places beyond the capacity are first: nothing is below 0
      scores_[e] = e < P::pool - capacity ? 0 : never_traced;
      indices_[e] = -1;
    }
    OTT_UNROLL
    for (int n = 0; n < lane_entries<P>::rounds; ++n) {
      for (unsigned rest = held.pooled[n]; rest != 0; rest &= rest - 1) {
        int const from = __ffs(static_cast<int>(rest)) - 1;
        insert(held.score(n, from), n * 32 + from);
      }
    }
  }
  /// Scores below this enter.
  __device__ std::uint64_t bar() const { return total_ < most_ ? scores_[P::pool - 1] : 0; }
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
  int total_ = 0;
  int most_ = 0;  // entries of both pools
};

}  // namespace ott
