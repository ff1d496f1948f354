#pragma once

#include <cstdint>

#include <ott/core/exact.hpp>
#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/part_tile.cuh>
#include <ott/cuda/row_fold.cuh>

namespace ott {

/// Softmax state and output of 16 * Tiles query rows of one warp, which sees all tokens in tiles of
/// `Tokens`: scores, then weights, then values, so that a block may do other things in between.
/// shape    as row_state
template <class P, int Tiles, int Tokens>
struct chunk_fold : row_state<P, Tiles> {
  using state = row_state<P, Tiles>;
  using state::channel_tiles, state::everyone, state::maximum, state::out, state::sum;
  using type = typename part_operand<P>::type;

  float scores[Tiles][Tokens / 8][4];  // of the tile at hand

  /// Scores of the warp's rows, from `row` on.
  template <int Rows>
  __device__ __forceinline__ void multiply_keys(operand_rows<P, Rows, 1> const& queries, int row,
                                                operand_rows<P, Tokens, 1> const& keys, int lane) {
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      OTT_UNROLL
      for (int t = 0; t < Tokens / 8; ++t) {
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) scores[m][t][i] = 0;
      }
    }
    int const key_row = lane / 16 * 8 + lane % 8;
    int const key_column = lane / 8 % 2 * 8;
    OTT_UNROLL
    for (int step = 0; step < P::head_dim / 16; ++step) {
      std::uint32_t q[Tiles][4];
      OTT_UNROLL
      for (int m = 0; m < Tiles; ++m) {
        arch::load_matrices(q[m],
                            &queries.items[0][row + 16 * m + lane % 16][16 * step + lane / 16 * 8]);
      }
      OTT_UNROLL
      for (int t = 0; t < Tokens / 16; ++t) {
        std::uint32_t k[4];
        arch::load_matrices(k, &keys.items[0][key_row + 16 * t][16 * step + key_column]);
        OTT_UNROLL
        for (int m = 0; m < Tiles; ++m) {
          uint4 const a{q[m][0], q[m][1], q[m][2], q[m][3]};
          arch::mma_f16<type>(scores[m][2 * t], a, k[0], k[1]);
          arch::mma_f16<type>(scores[m][2 * t + 1], a, k[2], k[3]);
        }
      }
    }
  }

  /// act(score, m, row, token) on each score: row 0 or 1 of the lane's, token of the tile.
  template <class Act>
  __device__ __forceinline__ void each_score(int lane, Act const& act) {
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      OTT_UNROLL
      for (int t = 0; t < Tokens / 8; ++t) {
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) {
          act(scores[m][t][i], m, i / 2, 8 * t + 2 * (lane % 4) + i % 2);
        }
      }
    }
  }

  /// Moves the running maximum to cover the tile's logits: `unit` times the scores, in powers of
  /// two.
  __device__ __forceinline__ void raise(float unit) {
    bool moved = false;
    float keep[Tiles][2];
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      OTT_UNROLL
      for (int r = 0; r < 2; ++r) {
        float top = -infinity();
        OTT_UNROLL
        for (int t = 0; t < Tokens / 8; ++t) {
          top = fmaxf(top, fmaxf(scores[m][t][2 * r], scores[m][t][2 * r + 1]));
        }
        top = fmaxf(top, __shfl_xor_sync(everyone, top, 1));
        top = fmaxf(top, __shfl_xor_sync(everyone, top, 2));
        float const raised = fmaxf(maximum[m][r], top * unit);
        keep[m][r] = raised > maximum[m][r] ? arch::exp2(maximum[m][r] - raised) : 1.0f;
        moved = moved || keep[m][r] != 1.0f;
        sum[m][r] *= keep[m][r];
        maximum[m][r] = raised;
      }
    }
    if (!__any_sync(everyone, moved)) return;
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      OTT_UNROLL
      for (int t = 0; t < channel_tiles; ++t) {
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) out[m][t][i] *= keep[m][i / 2];
      }
    }
  }

  /// Scores become weights, sixteen tokens at a time, and take their values.
  __device__ __forceinline__ void multiply_values(operand_rows<P, Tokens, 1> const& values,
                                                  float unit, int lane) {
    float base[Tiles][2];
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      OTT_UNROLL
      for (int r = 0; r < 2; ++r) base[m][r] = maximum[m][r] > -infinity() ? -maximum[m][r] : 0.0f;
    }
    int const value_row = lane % 16;
    int const value_column = lane / 16 * 8;
    OTT_UNROLL
    for (int t = 0; t < Tokens / 16; ++t) {
      uint4 weights[Tiles];
      OTT_UNROLL
      for (int m = 0; m < Tiles; ++m) {
        std::uint32_t w[4];
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) {  // half i / 2 of the tokens, row i % 2
          float const* const s = &scores[m][2 * t + i / 2][2 * (i % 2)];
          float const low = arch::exp2(fmaf(s[0], unit, base[m][i % 2]));
          float const high = arch::exp2(fmaf(s[1], unit, base[m][i % 2]));
          sum[m][i % 2] += low + high;
          w[i] = arch::narrow<type>(low, high);
        }
        weights[m] = uint4{w[0], w[1], w[2], w[3]};
      }
      OTT_UNROLL
      for (int c = 0; c < P::head_dim / 16; ++c) {
        std::uint32_t v[4];
        arch::load_transposed(v, &values.items[0][value_row + 16 * t][16 * c + value_column]);
        OTT_UNROLL
        for (int m = 0; m < Tiles; ++m) {
          arch::mma_f16<type>(out[m][2 * c], weights[m], v[0], v[1]);
          arch::mma_f16<type>(out[m][2 * c + 1], weights[m], v[2], v[3]);
        }
      }
    }
  }
};

}  // namespace ott
