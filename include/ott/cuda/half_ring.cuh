#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>

namespace ott {

/// A warp's own ring of halves (keys, values, keys, values, ..) in shared memory, of which
/// Stages - 1 are under way while one is read. A copier starts the copies of a place's halves, or
/// none where there is none: copy.keys(place, to), copy.values(place, to).
/// requires `begin`, then take_keys and take_values by turns; all lanes call
template <int Stages, int StageBytes>
struct half_ring {
  static_assert(Stages == 2 || Stages == 3);
  static_assert(StageBytes % 128 == 0);
  static constexpr int bytes = Stages * StageBytes;

  std::uint8_t* stages;
  int fill = 0;
  int drain = 0;

  __device__ __forceinline__ explicit half_ring(std::uint8_t* memory) : stages(memory) {}

  /// Starts what can be started of the first step.
  template <class Copier, class Place>
  __device__ __forceinline__ void begin(Copier const& copy, Place const& first) {
    copy.keys(first, next_stage());
    arch::commit_copies();
    if constexpr (Stages == 3) {
      copy.values(first, next_stage());
      arch::commit_copies();
    }
  }
  /// The keys of step `now`; `next` is the one after it.
  template <class Copier, class Place>
  __device__ __forceinline__ std::uint8_t const* take_keys(Copier const& copy, Place const& now,
                                                           Place const& next) {
    __syncwarp();  // every lane has read what the stage held
    if constexpr (Stages == 3) {
      copy.keys(next, next_stage());
    } else {
      copy.values(now, next_stage());
    }
    return take();
  }
  /// The values of step `now`. requires its keys are no longer read
  template <class Copier, class Place>
  __device__ __forceinline__ std::uint8_t const* take_values(Copier const& copy, Place const&,
                                                             Place const& next) {
    __syncwarp();
    if constexpr (Stages == 3) {
      copy.values(next, next_stage());
    } else {
      copy.keys(next, next_stage());
    }
    return take();
  }

 private:
  __device__ __forceinline__ std::uint8_t* next_stage() {
    std::uint8_t* const stage = stages + fill * StageBytes;
    fill = fill + 1 == Stages ? 0 : fill + 1;
    return stage;
  }
  __device__ __forceinline__ std::uint8_t const* take() {
    arch::commit_copies();
    arch::wait_copies<Stages - 1>();
    __syncwarp();
    std::uint8_t const* const stage = stages + drain * StageBytes;
    drain = drain + 1 == Stages ? 0 : drain + 1;
    return stage;
  }
};

}  // namespace ott
