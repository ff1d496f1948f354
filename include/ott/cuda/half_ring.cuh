#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/copy_ring.cuh>

namespace ott {

/// A warp's own ring of halves (keys, values, keys, values, ..): `Stages` halves are under way or
/// read. A copier starts the copies of a place's halves, or none where there is none:
/// copy.keys(place, to), copy.values(place, to).
/// requires `begin`, then for every step keys, drop_keys, values, drop_values; all lanes call
template <int Stages, int StageBytes>
struct half_ring : private copy_ring<Stages, StageBytes> {
  static_assert(Stages == 2 || Stages == 3);
  using base = copy_ring<Stages, StageBytes>;
  using base::base, base::bytes;

  /// Starts the first step's copies.
  template <class Copier, class Place>
  __device__ __forceinline__ void begin(Copier const& copy, Place const& first) {
    base::fetch([&](std::uint8_t* to) { copy.keys(first, to); });
    base::fetch([&](std::uint8_t* to) { copy.values(first, to); });
  }
  /// The keys of a step; `next` is the one after it.
  template <class Copier, class Place>
  __device__ __forceinline__ std::uint8_t const* keys(Copier const& copy, Place const& next) {
    if constexpr (Stages == 3) base::fetch([&](std::uint8_t* to) { copy.keys(next, to); });
    return base::template take<Stages - 1>();
  }
  /// The keys are no longer read: others may come in their place.
  template <class Copier, class Place>
  __device__ __forceinline__ void drop_keys(Copier const& copy, Place const& next) {
    base::fetch([&](std::uint8_t* to) {
      if constexpr (Stages == 2) {
        copy.keys(next, to);
      } else {
        copy.values(next, to);
      }
    });
  }
  __device__ __forceinline__ std::uint8_t const* values() {
    return base::template take<Stages - 1>();
  }
  template <class Copier, class Place>
  __device__ __forceinline__ void drop_values(Copier const& copy, Place const& next) {
    if constexpr (Stages == 2) base::fetch([&](std::uint8_t* to) { copy.values(next, to); });
  }
};

}  // namespace ott
