#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/group_shape.hpp>

namespace ott {

/// A warp's own ring of half-blocks in shared memory: keys, values, keys, values, ... in order, of
/// which Stages - 1 are under way while one is read.
/// requires `begin`, then take_key and take_value by turns; all lanes call; a null block is no copy
template <class P, int Stages>
struct half_ring {
  static_assert(Stages == 2 || Stages == 3);
  using shape = group_shape<P>;
  static constexpr int bytes = Stages * shape::stage_bytes;

  std::uint8_t* stages;
  int lane;
  int fill = 0;
  int drain = 0;

  __device__ __forceinline__ half_ring(std::uint8_t* memory, int lane_id)
      : stages(memory), lane(lane_id) {}

  /// Starts what can be started of the first block.
  __device__ __forceinline__ void begin(std::uint8_t const* first) {
    fetch<shape::key_bytes>(first);
    if constexpr (Stages == 3) fetch_value(first);
  }
  /// The keys of block `now`; `next` is the one after it.
  __device__ __forceinline__ std::uint8_t const* take_key(std::uint8_t const* now,
                                                          std::uint8_t const* next) {
    if constexpr (Stages == 3) {
      fetch<shape::key_bytes>(next);
    } else {
      fetch_value(now);
    }
    return take();
  }
  /// The values of block `now`. requires its keys are no longer read
  __device__ __forceinline__ std::uint8_t const* take_value(std::uint8_t const*,
                                                            std::uint8_t const* next) {
    if constexpr (Stages == 3) {
      fetch_value(next);
    } else {
      fetch<shape::key_bytes>(next);
    }
    return take();
  }

 private:
  __device__ __forceinline__ std::uint8_t const* take() {
    arch::wait_copies<Stages - 1>();
    __syncwarp();
    std::uint8_t const* const stage = stages + drain * shape::stage_bytes;
    drain = drain + 1 == Stages ? 0 : drain + 1;
    return stage;
  }
  __device__ __forceinline__ void fetch_value(std::uint8_t const* block) {
    fetch<shape::value_bytes, shape::value_half_at>(block);
  }
  template <int Bytes, int At = 0>
  __device__ __forceinline__ void fetch(std::uint8_t const* from) {
    __syncwarp();  // every lane has read what the stage held
    bool const wanted = from != nullptr;
    std::uint8_t* const to = stages + fill * shape::stage_bytes + lane * 16;
    from += At + lane * 16;
    OTT_UNROLL
    for (int i = 0; i + 512 <= Bytes; i += 512) arch::copy_async_16(wanted, to + i, from + i);
    constexpr int whole = Bytes / 512 * 512;
    if constexpr (whole < Bytes) {
      arch::copy_async_16(wanted && lane * 16 < Bytes - whole, to + whole, from + whole);
    }
    arch::commit_copies();
    fill = fill + 1 == Stages ? 0 : fill + 1;
  }
};

}  // namespace ott
