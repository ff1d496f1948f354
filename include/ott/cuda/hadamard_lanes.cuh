#pragma once

#include <ott/core/macros.hpp>
#include <ott/policy/rotation.hpp>

namespace ott {

/// Rotates rows by Hadamard's matrix, in registers; whole warps call.
/// shape    x: Count neighbouring channels of a row of D, 16 in all lanes of a block at least;
///          distance(n): how far the lane lies whose channels are n * Count farther
template <int D, int Count, class Distance>
__device__ __forceinline__ void rotate_lanes(float (&x)[Count], int lane,
                                             Distance const& distance) {
  constexpr int block = hadamard::block<D>;
  constexpr float normal = hadamard::factor<D>;
  static_assert(block % Count == 0 && block / Count <= 32);
  OTT_UNROLL
  for (int span = 1; span < Count; span *= 2) {
    OTT_UNROLL
    for (int pair = 0; pair < Count / 2; ++pair) {
      int const low = pair / span * 2 * span + pair % span;
      float const a = x[low], b = x[low + span];
      x[low] = a + b;
      x[low + span] = a - b;
    }
  }
  OTT_UNROLL
  for (int span = 1; span < block / Count; span *= 2) {
    float const sign = (lane & distance(span)) != 0 ? -1.0f : 1.0f;
    OTT_UNROLL
    for (int c = 0; c < Count; ++c) {
      x[c] = fmaf(x[c], sign, __shfl_xor_sync(0xffffffffu, x[c], distance(span)));
    }
  }
  OTT_UNROLL
  for (int c = 0; c < Count; ++c) x[c] *= normal;
}

}  // namespace ott
