#pragma once

#include <cstdint>

#include <ott/algo/trace.hpp>
#include <ott/cuda/arch/device_flag.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/bulk_work.cuh>
#include <ott/cuda/sorted_pool.cuh>
#include <ott/cuda/team.cuh>

namespace ott {

/// Shared memory of tracing: the candidates of many groups, and the marks they get.
template <class P>
struct trace_scratch {
  static constexpr int candidates = bulk_append<P>::candidates;
  static constexpr int fitting = 2048 / (candidates + 1);
  static constexpr int most = append_threads;  // a thread brings a group
  static constexpr int groups = fitting < 1 ? 1 : fitting > most ? most : fitting;
  static constexpr int mark_words = P::group / 32;
  /// Words from the marks on that candidates took: what is no mark is padding, and zero.
  static constexpr int used_words =
      bulk_append<P>::fits_marks && candidates * 4 > mark_words ? candidates * 4 : mark_words;

  trace_candidate lowest[groups][candidates > 0 ? candidates : 1];
  std::uint32_t marks[groups][mark_words];
  held_entries<P> held;
};

namespace detail {

/// Traces groups whose candidates lie in the scratch, in order. Most have nothing that enters: one
/// look finds the next of 32 that has. trace(i): of the i-th group, then bar() is new.
/// requires one warp calls, every lane
template <class P, class Bar, class Trace>
__device__ void trace_lowest(trace_scratch<P> const& scratch, int count, Bar const& bar,
                             Trace const& trace) {
  int const lane = static_cast<int>(threadIdx.x) % 32;
  for (int first = 0; first < count; first += 32) {
    bool const own = first + lane < count;
    std::uint64_t const lowest = own ? scratch.lowest[first + lane][0].score : never_traced;
    int next = 0;
    for (;;) {
      std::uint64_t const now = bar();
      unsigned const entering = __ballot_sync(~0u, lane >= next && lowest < now);
      if (entering == 0) break;
      next = __ffs(static_cast<int>(entering));
      trace(first + next - 1);
    }
  }
}

/// The same with a pool that every lane has.
template <class P>
__device__ void trace_lowest(trace_scratch<P>& scratch, sorted_pool<P>& pool, head_state<P>& state,
                             int count, int first_group) {
  bool const keeps = threadIdx.x % 32 == 0;
  trace_lowest<P>(
      scratch, count, [&] { return pool.bar(); },
      [&](int at) {
        OTT_UNROLL
        for (int i = 0; i < P::pool && i < P::group; ++i) {
          trace_candidate const now = scratch.lowest[at][i];
          if (now.score >= pool.bar()) break;
          int const entry = pool.total();
          int const moved = pool.enter(now.score);
          if (!keeps) continue;
          int const pos = (first_group + at) * P::group + now.token;
          write_down(state, entry, moved, {now.score, pos, 0});
          scratch.marks[at][now.token / 32] |= 1u << now.token % 32;
        }
      });
  if (keeps) state.num_traced = pool.total();
}

/// The same with a pool in shared memory, kept by one lane.
template <class P>
__device__ void trace_lowest(trace_scratch<P>& scratch, head_state<P>& state, int count,
                             int first_group, int capacity) {
  bool const keeps = threadIdx.x % 32 == 0;
  trace_lowest<P>(
      scratch, count,
      [&] {
        __syncwarp();
        return scratch.held.bar(capacity);
      },
      [&](int at) {
        if (!keeps) return;
        offer_lowest<P>(
            scratch.held, state, capacity, (first_group + at) * P::group,
            [&](int i) { return scratch.lowest[at][i].score; },
            [&](int i) { return scratch.lowest[at][i].token; }, scratch.marks[at]);
      });
}

/// Takes the candidates of a head's groups, many at a time, and leaves the groups' marks where they
/// were. Waits for the kernel ahead, which leaves the candidates. requires every thread calls
/// shape    left: are there any? trace(count, first): of so many groups from there on, by one warp
template <class P, class Trace>
__device__ void trace_groups(append_work<P> const& work, trace_scratch<P>& scratch, bool left,
                             Trace const& trace) {
  using scratch_type = trace_scratch<P>;
  bulk_team const team;
  int const own = team.rank();
  arch::wait_for_kernel_ahead();
  for (int first = work.plan.num_groups; first < work.plan.new_groups;
       first += scratch_type::groups) {
    int const rest = work.plan.new_groups - first;
    int const count = rest < scratch_type::groups ? rest : scratch_type::groups;
    std::uint32_t* marks = nullptr;
    if (own < count) {
      group_block<P>& block = work.seq.block(first + own);
      marks = block.v.marks;
      OTT_UNROLL
      for (int c = 0; c < scratch_type::candidates; ++c) {
        scratch.lowest[own][c] =
            left ? bulk_append<P>::candidates_of(block)[c] : trace_candidate{never_traced, 0, 0};
      }
      for (int word = 0; word < scratch_type::mark_words; ++word) scratch.marks[own][word] = 0;
    }
    team.sync();  // what is held is published, too
    if (own < 32) trace(count, first);
    team.sync();
    OTT_UNROLL
    for (int word = 0; word < scratch_type::used_words; ++word) {
      if (own >= count) break;
      marks[word] = word < scratch_type::mark_words ? scratch.marks[own][word] : 0;
    }
  }
}

/// Traces the groups of one head and raises its flag. requires every thread of the block calls
template <class P>
__device__ void trace_head(append_work<P> const& work, int capacity) {
  auto& scratch = shared_as<trace_scratch<P>>();
  bulk_team const team;
  head_state<P>& state = *work.seq.state;
  bool const left = pools_have_room<P>(state.num_traced, capacity);
  if constexpr (sorted_pool<P>::possible) {
    sorted_pool<P> pool(state, capacity);
    trace_groups<P>(work, scratch, left, [&](int count, int first) {
      trace_lowest<P>(scratch, pool, state, count, first);
    });
  } else {
    gather_held<P>(team, scratch.held, state);
    trace_groups<P>(work, scratch, left, [&](int count, int first) {
      trace_lowest<P>(scratch, state, count, first, capacity);
    });
  }
  team.sync();
  if (team.rank() == 0) arch::raise_flag(&state.tracing_done);
}

}  // namespace detail
}  // namespace ott
