#pragma once

#include <cstdint>

#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/part_tile.cuh>
#include <ott/policy/rotation.hpp>

namespace ott {

/// Rotates two rows a lane by Hadamard's matrix, in registers; one warp, every lane calls.
/// shape    x[t][2 s + i]: row s, channel 8 t + 2 (lane % 4) + i, as accumulators lie
template <int D>
__device__ __forceinline__ void rotate_fragments(float (&x)[D / 8][4], int lane) {
  constexpr int block = hadamard::block<D>;
  constexpr float normal = hadamard::factor<D>;
  OTT_UNROLL
  for (int t = 0; t < D / 8; ++t) {
    OTT_UNROLL
    for (int i = 0; i < 4; i += 2) {
      float const a = x[t][i] * normal, b = x[t][i + 1] * normal;
      x[t][i] = a + b;
      x[t][i + 1] = a - b;
    }
    OTT_UNROLL
    for (int span = 1; span < 4; span *= 2) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        float const other = __shfl_xor_sync(0xffffffffu, x[t][i], span);
        x[t][i] = (lane & span) != 0 ? other - x[t][i] : other + x[t][i];
      }
    }
  }
  OTT_UNROLL
  for (int span = 1; span < block / 8; span *= 2) {
    OTT_UNROLL
    for (int t = 0; t < D / 8; ++t) {
      if ((t & span) != 0) continue;
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        float const a = x[t][i], b = x[t + span][i];
        x[t][i] = a + b;
        x[t + span][i] = a - b;
      }
    }
  }
}

/// Rotates 16 rows in shared memory from `row` on; one warp.
template <class P, int Rows, int Pieces>
__device__ __forceinline__ void rotate_operands(operand_rows<P, Rows, Pieces>& rows, int row,
                                                int lane) {
  using type = typename part_operand<P>::type;
  static_assert(Pieces == 1);
  float x[P::head_dim / 8][4];
  OTT_UNROLL
  for (int t = 0; t < P::head_dim / 8; ++t) {
    OTT_UNROLL
    for (int s = 0; s < 2; ++s) {
      float2 const pair = arch::widen<type>(*reinterpret_cast<std::uint32_t const*>(
          &rows.items[0][row + lane / 4 + 8 * s][8 * t + 2 * (lane % 4)]));
      x[t][2 * s] = pair.x;
      x[t][2 * s + 1] = pair.y;
    }
  }
  rotate_fragments<P::head_dim>(x, lane);
  OTT_UNROLL
  for (int t = 0; t < P::head_dim / 8; ++t) {
    OTT_UNROLL
    for (int s = 0; s < 2; ++s) {
      rows.put(row + lane / 4 + 8 * s, 8 * t + 2 * (lane % 4), {x[t][2 * s], x[t][2 * s + 1]});
    }
  }
}

}  // namespace ott
