#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>

namespace ott {

/// A warp's own ring of halves (keys, values, keys, values, ..) in shared memory: `Stages` halves
/// are under way or read. A copier starts the copies of a place's halves, or none where there is
/// none: copy.keys(place, to), copy.values(place, to).
/// requires `begin`, then for every step keys, drop_keys, values, drop_values; all lanes call
template <int Stages, int StageBytes>
struct half_ring {
  static_assert(Stages == 2 || Stages == 3);
  static_assert(StageBytes % 128 == 0);
  static constexpr int bytes = Stages * StageBytes;

  std::uint8_t* stages;
  int fill = 0;
  int drain = 0;

  __device__ __forceinline__ explicit half_ring(std::uint8_t* memory) : stages(memory) {}

  /// Starts the first step's copies.
  template <class Copier, class Place>
  __device__ __forceinline__ void begin(Copier const& copy, Place const& first) {
    fetch([&](std::uint8_t* to) { copy.keys(first, to); });
    fetch([&](std::uint8_t* to) { copy.values(first, to); });
  }
  /// The keys of a step; `next` is the one after it.
  template <class Copier, class Place>
  __device__ __forceinline__ std::uint8_t const* keys(Copier const& copy, Place const& next) {
    if constexpr (Stages == 3) fetch([&](std::uint8_t* to) { copy.keys(next, to); });
    return take();
  }
  /// The keys are no longer read: others may come in their place.
  template <class Copier, class Place>
  __device__ __forceinline__ void drop_keys(Copier const& copy, Place const& next) {
    fetch([&](std::uint8_t* to) {
      if constexpr (Stages == 2) {
        copy.keys(next, to);
      } else {
        copy.values(next, to);
      }
    });
  }
  __device__ __forceinline__ std::uint8_t const* values() { return take(); }
  template <class Copier, class Place>
  __device__ __forceinline__ void drop_values(Copier const& copy, Place const& next) {
    if constexpr (Stages == 2) fetch([&](std::uint8_t* to) { copy.values(next, to); });
  }

 private:
  __device__ __forceinline__ std::uint8_t const* take() {
    arch::wait_copies<Stages - 1>();
    __syncwarp();
    std::uint8_t const* const stage = stages + drain * StageBytes;
    drain = drain + 1 == Stages ? 0 : drain + 1;
    return stage;
  }
  template <class Copy>
  __device__ __forceinline__ void fetch(Copy const& copy) {
    __syncwarp();  // every lane has read what the stage held
    copy(stages + fill * StageBytes);
    arch::commit_copies();
    fill = fill + 1 == Stages ? 0 : fill + 1;
  }
};

}  // namespace ott
