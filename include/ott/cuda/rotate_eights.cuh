#pragma once

#include <concepts>

#include <ott/core/macros.hpp>
#include <ott/cuda/hadamard_lanes.cuh>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/policy/rotation.hpp>

namespace ott {

/// Rotates query rows that a block's threads hold in eights.
/// shape    x[k]: eight k * Threads + thread of a record; those past its last one are anything
/// requires every thread of the block calls; nobody uses the record: rows may lie there meanwhile
template <class Rotation, int D, int Threads, int Each, class Record>
__device__ __forceinline__ void rotate_eights(float (&x)[Each][8], Record& record, int thread) {
  if constexpr (std::same_as<Rotation, hadamard>) {
    static_assert(Record::row_eights % (hadamard::block<D> / 8) == 0);  // a warp has whole blocks
    OTT_UNROLL
    for (int k = 0; k < Each; ++k) rotate_lanes<D>(x[k], thread % 32, Record::order::distance);
  } else if constexpr (!Rotation::identity) {
    constexpr int length = 8 * Record::row_eights;
    static_assert(Record::rows * length * sizeof(float) <= sizeof(Record));
    float* const rows = reinterpret_cast<float*>(&record);
    auto const of = [&](int eight) {
      return rows + Record::row(eight) * length + Record::channel(eight);
    };
    OTT_UNROLL
    for (int k = 0; k < Each; ++k) {
      int const eight = k * Threads + thread;
      if (eight >= Record::rows * Record::row_eights) continue;  // the others are there twice
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) of(eight)[c] = x[k][c];
    }
    __syncthreads();
    rotate_rows<Rotation, D>(rows, Record::rows, length);
    OTT_UNROLL
    for (int k = 0; k < Each; ++k) {
      int const eight = k * Threads + thread;
      if (eight >= Record::eights) continue;
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) x[k][c] = of(eight)[c];
    }
    __syncthreads();
  }
}

}  // namespace ott
