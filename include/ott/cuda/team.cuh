#pragma once

#include <cstdint>

#include <nv/target>

#include <ott/algo/team.hpp>
#include <ott/algo/tile.hpp>
#include <ott/core/array.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/element_pairs.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/policy/fit.hpp>

namespace ott {

namespace detail {

__device__ __forceinline__ bool is_aligned_16(void const* p) {
  return (reinterpret_cast<std::uintptr_t>(p) & 15u) == 0;
}

/// Views come with any stride and address, so sixteen bytes may have to go one by one.
template <class T>
__device__ __forceinline__ element_chunk<T> load_chunk_on_device(T const* from) {
  if (!is_aligned_16(from)) return element_chunk<T>::of(from);
  uint4 const x = *reinterpret_cast<uint4 const*>(from);
  return {{x.x, x.y, x.z, x.w}};
}

template <class T>
__device__ __forceinline__ void fetch_chunk_on_device(std::uint32_t* to, T const* from) {
  if (is_aligned_16(from)) {
    arch::copy_async_16(true, to, from);
  } else {
    auto const x = element_chunk<T>::of(from);
    for (int i = 0; i < 4; ++i) to[i] = x.words[i];
  }
}

template <class T>
__device__ __forceinline__ void move_chunk_on_device(T* to, T const* from) {
  if (is_aligned_16(to) && is_aligned_16(from)) {
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<uint4 const*>(from);
  } else {
    for (int i = 0; i < element_chunk<T>::size; ++i) to[i] = from[i];
  }
}

/// Of floats in shared memory, for every lane of a warp.
template <int Count>
__device__ __forceinline__ value_range ends_on_device(float const* x) {
  float lo = infinity();
  float hi = -infinity();
  OTT_UNROLL
  for (int i = 0; i < Count; i += 32) {
    float const own = x[i + threadIdx.x % 32];
    lo = fminf(lo, own);  // passes over NaN
    hi = fmaxf(hi, own);
  }
  return {-arch::largest_of_warp(-lo), arch::largest_of_warp(hi)};
}

}  // namespace detail

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

  template <class T>
  OTT_HD void fetch_chunk([[maybe_unused]] std::uint32_t* to,
                          [[maybe_unused]] T const* from) const {
    NV_IF_TARGET(NV_IS_DEVICE, (detail::fetch_chunk_on_device(to, from);))
  }
  template <class T>
  OTT_HD element_chunk<T> load_chunk(T const* from) const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return detail::load_chunk_on_device(from);),
                      (return element_chunk<T>::of(from);))
  }
  template <class T>
  OTT_HD void move_chunk([[maybe_unused]] T* to, [[maybe_unused]] T const* from) const {
    NV_IF_TARGET(NV_IS_DEVICE, (detail::move_chunk_on_device(to, from);))
  }
  OTT_HD void store_pair([[maybe_unused]] std::uint32_t* to,
                         [[maybe_unused]] array<std::uint32_t, 2> const& pair) const {
    NV_IF_TARGET(NV_IS_DEVICE, (*reinterpret_cast<uint2*>(to) = make_uint2(pair[0], pair[1]);))
  }
  OTT_HD void settle() const {
    NV_IF_TARGET(NV_IS_DEVICE, (arch::commit_copies(); arch::wait_copies<0>();))
  }
  template <class T>
  OTT_HD word_range widened(word_range range, [[maybe_unused]] word_range other) const {
    NV_IF_TARGET(NV_IS_DEVICE, (range = {arch::lesser_of<T>(range.lo, other.lo),
                                         arch::greater_of<T>(range.hi, other.hi)};))
    return range;
  }
  /// requires Count a multiple of 32, whole warps call
  template <int Count>
  OTT_HD value_range ends_of([[maybe_unused]] float const* x) const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return detail::ends_on_device<Count>(x);), (return {};))
  }
  OTT_HD std::uint32_t at_least([[maybe_unused]] std::uint32_t x,
                                [[maybe_unused]] std::uint32_t bound) const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return arch::at_least(x, bound);), (return 0;))
  }
};

/// The same in a kernel that always has as many threads.
template <int Threads>
struct sized_team : block_team {
  static constexpr int fixed_size = Threads;
  OTT_HD int rank() const {
    int const own = block_team::rank();
    if (own < 0 || own >= Threads) __builtin_unreachable();
    return own;
  }
  OTT_HD constexpr int size() const { return Threads; }
};

}  // namespace ott
