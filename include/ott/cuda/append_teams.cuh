#pragma once

#include <nv/target>

#include <ott/core/macros.hpp>
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
};

}  // namespace ott
