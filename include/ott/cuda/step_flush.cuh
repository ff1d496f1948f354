#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/algo/flush.hpp>
#include <ott/cuda/append_teams.cuh>
#include <ott/layout/head_state.hpp>

// How one block flushes one group as fast as it can: three things at once, each by a third of it.
namespace ott {

inline constexpr int step_part = 256;
inline constexpr int step_threads = 3 * step_part;

/// Shared memory of a block that flushes keys and values side by side.
template <class P>
struct step_scratch {
  /// The record's beginning.
  struct alignas(16) head_copy {
    std::int32_t length;
    std::int32_t num_groups;
    std::int32_t num_traced;
    std::int32_t reserved;
    traced_entry entries[head_state<P>::num_entries];
  };
  flush_scratch<P> keys;
  flush_scratch<P> values;
  head_copy head;
};

/// Flushes one group: a part of the block looks for outliers, and the others quantize keys and
/// values as if there were none; where there are, they do it again. The bytes are flush_group's.
/// requires every thread of a block of step_threads calls; no quantizer rewrites its tile
template <class P, class Rows>
__device__ void flush_in_parts(step_scratch<P>& scratch, Rows const& rows, head_state<P>& state,
                               group_block<P>& block, int first_pos, int capacity) {
  constexpr bool traces = flush_scratch<P>::traces;
  using head_copy = typename step_scratch<P>::head_copy;
  whole_block<step_threads> const all;
  part_of_block<0, step_part> const tracers;
  part_of_block<1, step_part> const of_keys;
  part_of_block<2, step_part> const of_values;
  int const part = static_cast<int>(threadIdx.x) / step_part;

  all.sync();  // the scratch and the entries of the group before are no longer read
  if constexpr (traces) {
    static_assert(offsetof(head_state<P>, entries) == offsetof(head_copy, entries));
    for_each(all, static_cast<int>(sizeof(head_copy) / 16), [&](int i) {
      fetch_chunk(all, reinterpret_cast<std::uint32_t*>(&scratch.head) + 4 * i,
                  reinterpret_cast<float const*>(&state) + 4 * i);
    });
  }
  if constexpr (traces || !exact_keys<P>) {
    fetch_group<P>(all, scratch.keys, rows, first_pos, true);
  }
  if constexpr (!exact_values<P>) fetch_group<P>(all, scratch.values, rows, first_pos, false);
  clear_marks<P>(all, scratch.keys);
  clear_marks<P>(all, scratch.values);
  settle(all);
  all.sync();
  for (bool again = false;; again = true) {
    bool enters = false;
    if (part == 0) {
      if constexpr (traces) {
        if (!again) {
          gather_held<P>(tracers, scratch.keys.held, scratch.head);
          tracers.sync();
          enters = find_outliers<P>(tracers, scratch.keys, first_pos, capacity);
        }
      }
    } else if (part == 1) {
      quantize_keys<P>(of_keys, scratch.keys, rows, block, first_pos);
    } else {
      if (again) {
        for_each(of_values, P::group / 32,
                 [&](int word) { scratch.values.marks[word] = scratch.keys.marks[word]; });
        if (of_values.rank() == 0) scratch.values.num_traced = scratch.keys.num_traced;
        of_values.sync();
      }
      quantize_values<P>(of_values, scratch.values, rows, block, first_pos);
    }
    if (!traces || again || !all.any(enters)) break;
    if (part == 0) {
      trace_outliers<P>(tracers, scratch.keys, rows, state, first_pos, capacity);
    }
    all.sync();
  }
  for_each(all, P::group / 32, [&](int word) { block.v.marks[word] = scratch.keys.marks[word]; });
}

/// How a policy's groups are flushed in a step: side by side where tiles stay as they were loaded
/// and two scratches fit the shared memory of every architecture, else by the block as one team.
template <class P>
struct step_flush {
  static constexpr bool in_parts =
      flush_scratch<P>::holds_elements && sizeof(step_scratch<P>) <= 98 * 1024;
  static constexpr std::size_t shared_bytes =
      in_parts ? sizeof(step_scratch<P>) : sizeof(flush_scratch<P>);

  template <class Rows>
  __device__ static void flush(unsigned char* shared, Rows const& rows, head_state<P>& state,
                               group_block<P>& block, int first_pos, int capacity) {
    if constexpr (in_parts) {
      flush_in_parts<P>(*reinterpret_cast<step_scratch<P>*>(shared), rows, state, block, first_pos,
                        capacity);
    } else {
      flush_group<P>(whole_block<step_threads>{}, *reinterpret_cast<flush_scratch<P>*>(shared),
                     rows, state, block, first_pos, capacity);
    }
  }
};

}  // namespace ott
