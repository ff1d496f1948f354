#pragma once

#include <nv/target>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/team.cuh>

// Who appends on the device.
namespace ott {

/// One warp, for copies.
struct warp_team : block_team {
  OTT_HD int rank() const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return static_cast<int>(threadIdx.x) % 32;), (return 0;))
  }
  OTT_HD int size() const { return 32; }
  OTT_HD void sync() const { NV_IF_TARGET(NV_IS_DEVICE, (__syncwarp();)) }
};

/// A block of `Threads`.
template <int Threads>
struct whole_block : sized_team<Threads> {
  OTT_HD bool any(bool own) const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return __syncthreads_or(own) != 0;), (return own;))
  }
  /// Of how many members is it true? A sync.
  OTT_HD int count(bool own) const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return __syncthreads_count(own);), (return own;))
  }
};

/// The same from some point on: what follows from a thread's number is not made ahead of it, while
/// others wait.
template <int Threads>
struct later_block : whole_block<Threads> {
  int number = whole_block<Threads>{}.rank();

  OTT_HD int rank() const {
    if (number < 0 || number >= Threads) __builtin_unreachable();
    return number;
  }
  __device__ void begin() { number = arch::fixed(number); }
};

}  // namespace ott
