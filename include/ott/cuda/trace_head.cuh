#pragma once

#include <cstdint>

#include <ott/algo/trace.hpp>
#include <ott/cuda/arch/device_flag.cuh>
#include <ott/cuda/arch/grid_order.cuh>
#include <ott/cuda/bulk_work.cuh>
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
/// look finds the next of 32 that has.
/// shape    held: each lane's own where it is few, else in shared memory
/// requires one warp calls, every lane
template <class P>
__device__ void trace_lowest(trace_scratch<P>& scratch, held_entries<P>& held, head_state<P>& state,
                             int count, int first_group, int capacity) {
  int const lane = static_cast<int>(threadIdx.x) % 32;
  for (int first = 0; first < count; first += 32) {
    bool const own = first + lane < count;
    std::uint64_t const lowest = own ? scratch.lowest[first + lane][0].score : never_traced;
    int next = 0;
    for (;;) {
      std::uint64_t const bar = held.bar(capacity);
      unsigned const entering = __ballot_sync(~0u, lane >= next && lowest < bar);
      if (entering == 0) break;
      next = __ffs(static_cast<int>(entering));
      int const at = first + next - 1;
      int const first_pos = (first_group + at) * P::group;
      if (held_entries<P>::few || lane == 0) {
        OTT_UNROLL_4
        for (int i = 0; i < trace_scratch<P>::candidates; ++i) {
          trace_candidate const now = scratch.lowest[at][i];
          if (i >= capacity) break;
          auto const change = held.offer(capacity, now.score, first_pos + now.token);
          if (!change.entered) break;
          if (lane != 0) continue;
          write_down<P>(held, state, change, {now.score, first_pos + now.token, 0});
          scratch.marks[at][now.token / 32] |= 1u << now.token % 32;
        }
      }
      if constexpr (!held_entries<P>::few) __syncwarp();
    }
  }
}

/// Traces the groups of one head in order and leaves their marks where candidates were. Waits for
/// the kernel ahead, which leaves those. requires every thread of the block calls
template <class P>
__device__ void trace_head(append_work<P> const& work, int capacity) {
  using scratch_type = trace_scratch<P>;
  auto& scratch = shared_as<scratch_type>();
  bulk_team const team;
  head_state<P>& state = *work.seq.state;
  bool const left = bulk_append<P>::has_room(state, capacity);
  gather_held<P>(team, scratch.held, state);
  arch::wait_for_kernel_ahead();
  for (int first = work.plan.num_groups; first < work.plan.new_groups;
       first += scratch_type::groups) {
    int const rest = work.plan.new_groups - first;
    int const count = rest < scratch_type::groups ? rest : scratch_type::groups;
    int const own = team.rank();
    std::uint32_t* const marks = own < count ? work.seq.block(first + own).v.marks : nullptr;
    if (own < count) {
      trace_candidate const* const in = bulk_append<P>::candidates_of(work.seq.block(first + own));
      OTT_UNROLL
      for (int c = 0; c < scratch_type::candidates; ++c) {
        scratch.lowest[own][c] = left ? in[c] : trace_candidate{never_traced, 0, 0};
      }
      for (int word = 0; word < scratch_type::mark_words; ++word) scratch.marks[own][word] = 0;
    }
    team.sync();  // what is held is published, too
    if (team.rank() < 32) {
      if constexpr (held_entries<P>::few) {
        held_entries<P> held = scratch.held;  // in registers
        trace_lowest<P>(scratch, held, state, count, first, capacity);
        __syncwarp();
        if (team.rank() == 0) scratch.held = held;
      } else {
        trace_lowest<P>(scratch, scratch.held, state, count, first, capacity);
      }
    }
    team.sync();
    OTT_UNROLL
    for (int word = 0; word < scratch_type::used_words; ++word) {
      if (own >= count) break;
      marks[word] = word < scratch_type::mark_words ? scratch.marks[own][word] : 0;
    }
  }
  team.sync();
  if (team.rank() == 0) arch::raise_flag(&state.reserved);
}

}  // namespace detail
}  // namespace ott
