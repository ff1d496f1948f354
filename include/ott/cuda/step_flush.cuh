#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/algo/flush.hpp>
#include <ott/cuda/append_teams.cuh>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/asked_pools.cuh>
#include <ott/cuda/estimated_tokens.cuh>
#include <ott/layout/head_state.hpp>

// How blocks that start together flush one group as fast as they can: each looks for outliers by
// itself and quantizes a share of keys or of values.
namespace ott {

/// Shared memory of a block that quantizes a share.
template <class P>
struct step_scratch {
  static constexpr int few = 8;  // candidates: a warp each

  flush_scratch<P> keys;
  flush_scratch<P> values;
  std::uint64_t bar;  // scores below it enter the pools as they were
  std::uint64_t scores[few];
  std::int32_t tokens[few];  // that may enter
  std::int32_t num_candidates;
};

/// How the groups of a policy are flushed in a step.
template <class P>
struct step_flush {
  static constexpr int shares = 4;  // of keys, and of values
  /// Where tiles stay as they were loaded and two of them fit the shared memory of every
  /// architecture; else a block flushes a group alone.
  static constexpr bool in_shares = flush_scratch<P>::holds_elements && P::pool <= P::group &&
                                    held_entries<P>::few && quantizes_in_shares<P, shares> &&
                                    sizeof(step_scratch<P>) <= 98 * 1024;
  static constexpr int crew = in_shares ? 2 * shares : 1;  // blocks, where such can start together
  static constexpr int threads = in_shares ? 256 : 768;
  static constexpr int resident = in_shares ? 2 : 1;  // blocks on a multiprocessor
  static constexpr std::size_t shared_bytes =
      in_shares ? sizeof(step_scratch<P>) : sizeof(flush_scratch<P>);
};

/// A block's share of a group's flush. The bytes of all shares are flush_group's.
/// requires every thread of a block of step_flush<P>::threads calls
template <class P>
class group_share {
  using flush = step_flush<P>;
  using element = typename P::element;
  using team_type = later_block<flush::threads>;
  struct ordered_token {
    flush_scratch<P>& scratch;
    __device__ void operator()(int rank, int token) const { scratch.order[rank] = token; }
  };
  using estimated = estimated_tokens<P, ordered_token>;
  static constexpr bool traces = flush_scratch<P>::traces;

 public:
  /// shape rank: of the block in its crew; those of keys come first
  __device__ group_share(unsigned char* shared, int rank)
      : scratch_{*reinterpret_cast<step_scratch<P>*>(shared)},
        keys_{rank < flush::shares},
        leads_{rank == 0},
        copies_{rank == flush::shares},
        share_{rank % flush::shares} {}

  /// Begins to load what this block needs of a group.
  template <class Rows>
  __device__ void fetch(Rows const& rows, int first_pos) {
    team_.sync();  // what was loaded before is no longer read
    if (traces || (keys_ && !exact_keys<P>)) fetch_tensor(scratch_.keys, rows, first_pos, true);
    arch::commit_copies();
    if (!keys_ && !exact_values<P>) fetch_tensor(scratch_.values, rows, first_pos, false);
    arch::commit_copies();
    clear_marks<P>(team_, scratch_.keys);
    if (team_.rank() == 0) scratch_.num_candidates = 0;
    team_.begin();
    share_ = arch::fixed(share_);
  }
  /// Asks for what the pools hold, once a sequence and call; by one warp.
  __device__ void ask(asked_pools<P>& asked, head_state<P> const& state) const {
    if constexpr (traces) {
      if (team_.rank() < 32) asked.ask(state, team_.rank());
    }
  }
  /// Takes what came.
  __device__ void hold(asked_pools<P> const& asked, int capacity) {
    if constexpr (traces) {
      if (team_.rank() >= 32) return;
      asked.gather(scratch_.keys.held, team_.rank());
      __syncwarp();
      std::uint64_t const bar = scratch_.keys.held.bar(capacity);
      if (team_.rank() == 0) scratch_.bar = bar;
    }
  }
  /// The same of the next group, from what the one before left.
  __device__ void hold_on(int capacity) {
    if constexpr (traces) {
      if (team_.rank() == 0) scratch_.bar = scratch_.keys.held.bar(capacity);
    }
  }
  /// Waits for the keys.
  __device__ void settle() {
    arch::wait_copies<1>();
    team_.sync();
  }
  /// May a token of the group enter the pools?
  __device__ bool finds_outliers(int first_pos, int capacity) {
    if constexpr (!traces) {
      return false;
    } else if constexpr (estimated::possible) {
      std::uint64_t const bar = scratch_.bar;
      if (bar == 0) return false;
      ordered_token const ordered{scratch_.keys};
      estimated const lowest{scratch_.keys, ordered};
      lowest.sum(team_);
      team_.sync();
      bool const can = lowest.can_be_below(team_, bar);
      if (can) {
        int const at = atomicAdd(&scratch_.num_candidates, 1);
        if (at < step_scratch<P>::few) scratch_.tokens[at] = team_.rank();
      }
      candidates_ = team_.count(can);
      return candidates_ != 0;
    } else {
      return team_.any(find_outliers<P>(team_, scratch_.keys, first_pos, capacity));
    }
  }
  /// Traces them: the first block of the keys writes the state, the first of the values the rows.
  template <class Rows>
  __device__ void trace(Rows const& rows, head_state<P>& state, int first_pos, int capacity) {
    if constexpr (traces) {
      flush_scratch<P>& scratch = scratch_.keys;
      rank_lowest();
      if (team_.rank() == 0) enter_lowest(state, first_pos, capacity);
      team_.sync();
      if (copies_) {
        int const count = scratch.num_traced;
        auto const number = [&](int i) { return i < count ? i : i - count; };
        copy_rows<P>(
            team_, 2 * count,
            [&](int i) {
              int const pos = first_pos + scratch.order[number(i)];
              return i < count ? rows.key(pos) : rows.value(pos);
            },
            [&](int i) {
              return (i < count ? state.traced_k : state.traced_v) +
                     (scratch.num_before + number(i)) * P::head_dim;
            });
      }
    }
  }
  /// Writes this block's share. requires marks are published
  template <class Rows>
  __device__ void quantize(Rows const& rows, group_block<P>& block, int first_pos) {
    tensor_share<flush::shares> const share{share_};
    if (leads_) {
      for_each(team_, P::group / 32,
               [&](int word) { block.v.marks[word] = scratch_.keys.marks[word]; });
    }
    if (keys_) {
      quantize_keys<P>(team_, scratch_.keys, rows, block, first_pos, share);
      return;
    }
    take_marks();
    arch::wait_copies<0>();
    team_.sync();
    quantize_values<P>(team_, scratch_.values, rows, block, first_pos, share);
  }

 private:
  /// Orders the lowest tokens for the thread that lets them enter.
  __device__ void rank_lowest() {
    if constexpr (estimated::possible) {
      ordered_token const ordered{scratch_.keys};
      estimated const lowest{scratch_.keys, ordered};
      if (candidates_ <= step_scratch<P>::few) {
        rank_few(lowest);
        return;
      }
      lowest.join(team_);
      team_.sync();
      lowest.rank(team_);
      team_.sync();
      lowest.find(team_);
      if (team_.rank() < 32) __syncwarp();
      candidates_ = P::pool;
    } else {
      ott::rank_lowest<P>(team_, scratch_.keys);
      team_.sync();
      candidates_ = P::pool;
    }
  }
  /// The same of so few candidates that each has a warp, which scores it.
  __device__ void rank_few(estimated const& lowest) {
    static_assert(step_scratch<P>::few * 32 <= flush::threads);
    int const warp = team_.rank() / 32;
    int const lane = team_.rank() % 32;
    if (warp < candidates_) {
      std::uint64_t const score = lowest.score(scratch_.tokens[warp]);
      if (lane == 0) scratch_.scores[warp] = score;
    }
    team_.sync();
    if (warp != 0) return;
    bool const own = lane < candidates_;
    std::uint64_t const score = own ? scratch_.scores[lane] : never_traced;
    int const token = own ? scratch_.tokens[lane] : 0;
    int rank = 0;
    for (int i = 0; i < candidates_; ++i) {
      std::uint64_t const theirs = __shfl_sync(~0u, score, i);
      int const other = __shfl_sync(~0u, token, i);
      rank += theirs < score || (theirs == score && other < token) ? 1 : 0;
    }
    if (own) scratch_.keys.scores[token] = score;
    if (own && rank < P::pool) scratch_.keys.order[rank] = token;
    __syncwarp();
  }
  /// The lowest tokens enter the pools while they can, which lie in registers as they do. By one
  /// thread; of all blocks the first writes the state.
  __device__ void enter_lowest(head_state<P>& state, int first_pos, int capacity) {
    flush_scratch<P>& scratch = scratch_.keys;
    held_entries<P> held = scratch.held;
    int const before = held.total;
    for (int i = 0; i < P::pool && i < candidates_; ++i) {
      int const token = scratch.order[i];
      int const pos = first_pos + token;
      std::uint64_t const score = scratch.scores[token];
      auto const change = held.offer(capacity, score, pos);
      if (!change.entered) break;
      if (leads_) write_down(state, held.total - 1, change.moved, {score, pos, 0});
      scratch.marks[token / 32] |= 1u << token % 32;
    }
    if (leads_) state.num_traced = held.total;
    scratch.held = held;
    scratch.num_before = before;
    scratch.num_traced = held.total - before;
  }
  template <class Rows>
  __device__ void fetch_tensor(flush_scratch<P>& scratch, Rows const& rows, int first_pos,
                               bool keys) {
    constexpr int row_chunks = P::head_dim / element_chunk<element>::size;
    constexpr int at_once = flush::threads / row_chunks;  // rows
    if constexpr (flush::threads % row_chunks == 0 && P::group % at_once == 0) {
      if (first_pos + P::group <= rows.first_new) {
        int const token = team_.rank() / row_chunks;
        int const channel = team_.rank() % row_chunks * element_chunk<element>::size;
        element const* const window =
            (keys ? rows.state->window_k : rows.state->window_v) + channel;
        int row = first_pos % window_capacity<P> + token;
        OTT_UNROLL
        for (int n = 0; n < P::group / at_once; ++n) {
          if (row >= window_capacity<P>) row -= window_capacity<P>;
          arch::copy_async_16(true, scratch.tile.at(token + n * at_once, channel),
                              window + row * P::head_dim);
          row += at_once;
        }
        return;
      }
    }
    fetch_group<P>(team_, scratch, rows, first_pos, keys);
  }
  /// Values of tokens that were not traced do not mind that others were.
  __device__ void take_marks() {
    constexpr int own_words = P::group / 32 / flush::shares;
    std::uint32_t own = 0;
    for (int word = 0; word < own_words; ++word) {
      own |= scratch_.keys.marks[share_ * own_words + word];
    }
    for_each(team_, P::group / 32,
             [&](int word) { scratch_.values.marks[word] = scratch_.keys.marks[word]; });
    if (team_.rank() == 0) scratch_.values.num_traced = own == 0 ? 0 : scratch_.keys.num_traced;
  }

  team_type team_;
  step_scratch<P>& scratch_;
  bool keys_;
  bool leads_;
  bool copies_;
  int share_;
  int candidates_ = 0;  // tokens of the group that may enter
};

}  // namespace ott
