#pragma once

#include <cstdint>

#include <ott/algo/attend_options.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/exact_steps.cuh>
#include <ott/layout/head_state.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// Where the groups' block of a KV head begins on a page.
template <class P>
__device__ __forceinline__ std::uint8_t const* block_on(layer_view<P> const& layer, int page,
                                                        int kv_head) {
  std::int64_t const at = std::int64_t{page} * layer.num_kv_heads + kv_head;
  return reinterpret_cast<std::uint8_t const*>(layer.blocks + at);
}

/// One step of groups on its way to a warp: its block, null for none, and its number among the
/// sequence's steps.
struct group_step {
  std::uint8_t const* block;
  int step;
};

/// Starts the copies of groups' steps.
template <class Steps>
struct group_copies {
  int lane;

  __device__ __forceinline__ void keys(group_step const& s, std::uint8_t* to) const {
    Steps::copy_keys(to, s.block, s.step, lane);
  }
  __device__ __forceinline__ void values(group_step const& s, std::uint8_t* to) const {
    Steps::copy_values(to, s.block, s.step, lane);
  }
};

/// The exact rows of a split, sixteen a step, and the copies of them.
template <class P>
struct exact_copies {
  head_state<P> const& state;
  int traced;
  int window_begin;  // position
  int window_size;
  int last;  // step: one past
  int lane;

  /// The copies of steps below `last`, of a head with so many tokens, the first of which that is in
  /// no group being `window_begin`.
  __device__ __forceinline__ static exact_copies of(head_state<P> const& state, int length,
                                                    int window_begin, int last, int lane) {
    int const traced = traced_capacity<P> != 0 ? state.num_traced : 0;
    int const recent = length - window_begin, tokens = exact_rows<P>::tokens;
    int const steps = ceil_div(traced, tokens) + ceil_div(recent, tokens);
    return {state, traced, window_begin, recent, min(last, steps), lane};
  }

  __device__ __forceinline__ exact_rows<P> rows(int step) const {
    return {state, step, traced, window_begin, window_size};
  }
  /// Takes the rows of a step out of its scores that hold no token, or one that is not seen.
  /// requires all: does every query row see all tokens?
  template <class Scores, class Seen>
  __device__ __forceinline__ void hide(Scores& scores, Seen const& seen, bool all, int step,
                                       attend_options const& options) const {
    exact_rows<P> const at = rows(step);
    if (all && at.used >= exact_rows<P>::tokens) return;
    scores.hide(lane, [&](int i, int row) {
      if (all) return row >= at.used;
      return !sees(options, seen.own[i], at.position_of(row, state));
    });
  }
  __device__ __forceinline__ void keys(int step, std::uint8_t* to) const {
    exact_rows<P> const at = rows(step);
    if (step < last) at.copy(to, at.keys, lane);
  }
  __device__ __forceinline__ void values(int step, std::uint8_t* to) const {
    exact_rows<P> const at = rows(step);
    if (step < last) at.copy(to, at.values, lane);
  }
};

}  // namespace ott
