#pragma once

#include <ott/core/macros.hpp>

// A row's tokens are spread over the eight lanes with the same l % 4. All of them get the result.
namespace ott {

namespace detail {

constexpr unsigned all_lanes = 0xffffffffu;

/// Makes sums of a lane's own tokens the row's.
template <class... Float>
__device__ __forceinline__ void sum_row(Float&... own) {
  OTT_UNROLL
  for (int d = 4; d < 32; d *= 2) ((own += __shfl_xor_sync(all_lanes, own, d)), ...);
}
/// The largest of what the lanes of a row hold.
__device__ __forceinline__ float largest_of_row(float x) {
  OTT_UNROLL
  for (int d = 4; d < 32; d *= 2) x = fmaxf(x, __shfl_xor_sync(all_lanes, x, d));
  return x;
}

}  // namespace detail

}  // namespace ott
