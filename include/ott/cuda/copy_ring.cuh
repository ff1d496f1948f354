#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>

namespace ott {

/// A warp's own ring of stages in shared memory, which asynchronous copies fill and the warp reads
/// in turn. requires all lanes call
template <int Stages, int StageBytes>
struct copy_ring {
  static_assert(StageBytes % 128 == 0);
  static constexpr int bytes = Stages * StageBytes;

  std::uint8_t* stages;
  int fill = 0;
  int drain = 0;

  __device__ __forceinline__ explicit copy_ring(std::uint8_t* memory) : stages(memory) {}

  /// The oldest stage not taken yet, when it is there. requires it was fetched; Newest: fetched
  /// after it
  template <int Newest>
  __device__ __forceinline__ std::uint8_t const* take() {
    arch::wait_copies<Newest>();
    __syncwarp();
    std::uint8_t const* const stage = stages + drain * StageBytes;
    drain = drain + 1 == Stages ? 0 : drain + 1;
    return stage;
  }
  /// Starts the copies of a stage, copy(to), which may be none.
  template <class Copy>
  __device__ __forceinline__ void fetch(Copy const& copy) {
    __syncwarp();  // every lane has read what the stage held
    copy(stages + fill * StageBytes);
    arch::commit_copies();
    fill = fill + 1 == Stages ? 0 : fill + 1;
  }
};

}  // namespace ott
