#pragma once

#include <concepts>

#include <ott/policy/rotation.hpp>

namespace ott {

namespace detail {

template <class Rotation, int D, int Step = 0>
__device__ void rotate_units(float* rows, int count, int length) {
  if constexpr (Step < Rotation::template num_steps<D>) {
    constexpr int units = D / Rotation::template unit_size<D, Step>;
    for (int i = static_cast<int>(threadIdx.x); i < count * units; i += blockDim.x) {
      Rotation::template apply_unit<D, Step>(rows + i / units * length, i % units);
    }
    __syncthreads();
    rotate_units<Rotation, D, Step + 1>(rows, count, length);
  }
}

}  // namespace detail

/// Rotates rows in shared memory, in place.
/// shape    rows: [count][length], length >= D
/// requires every thread of the block calls, after a barrier; ends with one
template <class Rotation, int D>
__device__ void rotate_rows(float* rows, int count, int length) {
  int const thread = static_cast<int>(threadIdx.x);
  int const threads = static_cast<int>(blockDim.x);
  if constexpr (std::same_as<Rotation, hadamard>) {  // the same sums, a pair a thread
    constexpr int half_row = D / 2;
    for (int span = 1; span < hadamard::block<D>; span *= 2) {
      for (int i = thread; i < count * half_row; i += threads) {
        int const pair = i % half_row;
        float* const low = rows + i / half_row * length + (pair / span) * 2 * span + pair % span;
        float const a = low[0];
        float const b = low[span];
        low[0] = a + b;
        low[span] = a - b;
      }
      __syncthreads();
    }
    constexpr float normal = hadamard::factor<D>;
    for (int i = thread; i < count * D; i += threads) rows[i / D * length + i % D] *= normal;
    __syncthreads();
  } else if constexpr (rotation_in_units<Rotation>) {
    detail::rotate_units<Rotation, D>(rows, count, length);
  } else if constexpr (!Rotation::identity) {
    for (int row = thread; row < count; row += threads) {
      Rotation::template apply<D>(rows + row * length);
    }
    __syncthreads();
  }
}

}  // namespace ott
