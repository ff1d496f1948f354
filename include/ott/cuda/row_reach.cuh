#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/row_lanes.cuh>

namespace ott {

/// The largest |element| of the row that each eight of a block's threads is of.
/// shape    x[k]: eight k * Threads + thread of a record; those past its last one are anything
/// requires every thread of the block calls; nobody uses record.reach
template <int Threads, int Each, class Record>
__device__ __forceinline__ void find_reach(float const (&x)[Each][8], float (&reach)[Each],
                                           Record& record, int thread) {
  OTT_UNROLL
  for (int k = 0; k < Each; ++k) {
    reach[k] = 0;
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) reach[k] = fmaxf(reach[k], fabsf(x[k][c]));
  }
  constexpr int lanes = Record::row_eights;
  if constexpr (lanes <= 32 && 32 % lanes == 0) {
    OTT_UNROLL
    for (int k = 0; k < Each; ++k) {
      OTT_UNROLL
      for (int d = 1; d < lanes; d *= 2) {
        reach[k] = fmaxf(reach[k], __shfl_xor_sync(detail::all_lanes, reach[k], d));
      }
    }
  } else {  // rows end within warps
    if (thread < Record::rows) record.reach[thread] = 0;
    __syncthreads();
    OTT_UNROLL
    for (int k = 0; k < Each; ++k) {
      int const eight = k * Threads + thread;
      if (eight < Record::eights) {
        atomicMax(record.reach + Record::row(eight), __float_as_uint(reach[k]));
      }
    }
    __syncthreads();
    OTT_UNROLL
    for (int k = 0; k < Each; ++k) {
      int const eight = k * Threads + thread;
      if (eight < Record::eights) reach[k] = __uint_as_float(record.reach[Record::row(eight)]);
    }
  }
}

}  // namespace ott
