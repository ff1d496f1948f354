#pragma once

#include <nv/target>

#include <ott/core/macros.hpp>

namespace ott {

/// The threads of one CUDA block. On the host it is a team of one, which nothing ever runs: the
/// algorithms are compiled for both sides.
struct block_team {
  OTT_HD int rank() const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return static_cast<int>(threadIdx.x);), (return 0;))
  }
  OTT_HD int size() const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return static_cast<int>(blockDim.x);), (return 1;))
  }
  OTT_HD void sync() const { NV_IF_TARGET(NV_IS_DEVICE, (__syncthreads();)) }
};

}  // namespace ott
