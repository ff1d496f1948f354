#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/exact_steps.cuh>
#include <ott/layout/head_state.hpp>

namespace ott {

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

  __device__ __forceinline__ exact_rows<P> rows(int step) const {
    return {state, step, traced, window_begin, window_size};
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
