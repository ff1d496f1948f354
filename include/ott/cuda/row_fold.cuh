#pragma once

#include <cstdint>

#include <ott/core/exact.hpp>
#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/part_tile.cuh>

namespace ott {

/// How scores become logits.
struct score_rule {
  float scale;      // of q.k
  float soft_cap;   // 0: none
  int sliding_window;

  /// In units of log2.
  __device__ __forceinline__ float logit(float score, float factor) const {
    constexpr float log2_e = 1.4426950408889634f;
    float x = score * (scale * factor);
    if (soft_cap > 0) x = soft_cap * tanhf(x / soft_cap);
    return x * log2_e;
  }
  __device__ __forceinline__ bool sees(int query_pos, int pos) const {
    return pos <= query_pos && (sliding_window <= 0 || pos > query_pos - sliding_window);
  }
};

/// Tokens in shared memory: a tile of one part.
template <class P, int Tokens>
struct token_tile {
  operand_rows<P, Tokens> keys;
  operand_rows<P, Tokens> values;
  float factor[Tokens];
  int pos[Tokens];  // hidden_pos: takes no part
};

/// Queries of a tile: always in two pieces, of which the second is empty where the query type allows.
template <class P, int Rows>
using query_tile = operand_rows<P, Rows, 2>;

/// Which second pieces hold something, and are multiplied.
struct piece_use {
  bool query;
  bool key;
  bool value;
};

/// Softmax state and output of 16 query rows over the tokens that one warp has seen.
/// shape    lane l: rows l / 4 and l / 4 + 8; out[t][2 s + i] is channel 8 t + 2 (l % 4) + i of row s;
///          sum is of this lane's tokens alone until `finish`
template <class P>
struct row_fold {
  using operand = part_operand<P>;
  using type = typename operand::type;
  static constexpr int pieces = operand::pieces;
  static constexpr int channel_tiles = P::head_dim / 8;
  static constexpr unsigned everyone = 0xffffffffu;

  float maximum[2];
  float sum[2];
  float out[channel_tiles][4];

  __device__ __forceinline__ row_fold() {
    maximum[0] = maximum[1] = -infinity();
    sum[0] = sum[1] = 0;
    OTT_UNROLL
    for (int t = 0; t < channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) out[t][i] = 0;
    }
  }

  /// Folds tokens first .. first + Tokens - 1 of the tile.
  /// shape    queries: 16 rows from `row`; query_pos: of this lane's two rows
  template <int Tokens, int Rows, int TileTokens>
  __device__ __forceinline__ void add(token_tile<P, TileTokens> const& tile, int first,
                                      query_tile<P, Rows> const& queries, int row,
                                      int const (&query_pos)[2], score_rule const& rule,
                                      piece_use use, int lane) {
    float s[Tokens / 8][4] = {};
    multiply_keys<Tokens>(s, tile, first, queries, row, use, lane);
    float top[2] = {-infinity(), -infinity()};
    OTT_UNROLL
    for (int t = 0; t < Tokens / 8; ++t) {
      int const token = first + 8 * t + 2 * (lane % 4);
      float2 const factor = *reinterpret_cast<float2 const*>(&tile.factor[token]);
      int2 const pos = *reinterpret_cast<int2 const*>(&tile.pos[token]);
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        bool const seen = rule.sees(query_pos[i / 2], i % 2 == 0 ? pos.x : pos.y);
        s[t][i] = seen ? rule.logit(s[t][i], i % 2 == 0 ? factor.x : factor.y) : -infinity();
        top[i / 2] = fmaxf(top[i / 2], s[t][i]);
      }
    }
    raise(top);
    std::uint32_t weights[pieces][Tokens / 8][2];
    float const base[2] = {maximum[0] > -infinity() ? maximum[0] : 0.0f,
                           maximum[1] > -infinity() ? maximum[1] : 0.0f};
    OTT_UNROLL
    for (int t = 0; t < Tokens / 8; ++t) {
      OTT_UNROLL
      for (int r = 0; r < 2; ++r) {
        float low = arch::exp2(s[t][2 * r] - base[r]);
        float high = arch::exp2(s[t][2 * r + 1] - base[r]);
        OTT_UNROLL
        for (int piece = 0; piece < pieces; ++piece) {
          weights[piece][t][r] = arch::narrow<type>(low, high);
          float2 const kept = arch::widen<type>(weights[piece][t][r]);
          sum[r] += kept.x + kept.y;  // what is multiplied is what is divided by
          low -= kept.x;
          high -= kept.y;
        }
      }
    }
    multiply_values<Tokens>(weights, tile, first, use.value, lane);
  }

  /// Makes sums whole.
  __device__ __forceinline__ void finish() {
    OTT_UNROLL
    for (int r = 0; r < 2; ++r) {
      sum[r] += __shfl_xor_sync(everyone, sum[r], 1);
      sum[r] += __shfl_xor_sync(everyone, sum[r], 2);
    }
  }

  __device__ __forceinline__ void rescale(float const (&by)[2]) {
    OTT_UNROLL
    for (int t = 0; t < channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) out[t][i] *= by[i / 2];
    }
  }

 private:
  template <int Tokens, int Rows, int TileTokens>
  __device__ __forceinline__ void multiply_keys(float (&s)[Tokens / 8][4],
                                                token_tile<P, TileTokens> const& tile, int first,
                                                query_tile<P, Rows> const& queries, int row,
                                                piece_use use, int lane) const {
    int const key_row = first + lane / 16 * 8 + lane % 8;
    int const key_column = lane / 8 % 2 * 8;
#pragma unroll 2
    for (int step = 0; step < P::head_dim / 16; ++step) {
      std::uint32_t q[2][4];
      OTT_UNROLL
      for (int piece = 0; piece < 2; ++piece) {
        if (piece > 0 && !use.query) continue;
        arch::load_matrices(q[piece],
                            &queries.items[piece][row + lane % 16][16 * step + lane / 16 * 8]);
      }
      OTT_UNROLL
      for (int t = 0; t < Tokens / 16; ++t) {
        OTT_UNROLL
        for (int piece = 0; piece < pieces; ++piece) {
          if (piece > 0 && !use.key) continue;
          std::uint32_t k[4];
          arch::load_matrices(k, &tile.keys.items[piece][key_row + 16 * t][16 * step + key_column]);
          OTT_UNROLL
          for (int other = 0; other < 2 - piece; ++other) {
            if (other > 0 && !use.query) continue;
            uint4 const a{q[other][0], q[other][1], q[other][2], q[other][3]};
            arch::mma_f16<type>(s[2 * t], a, k[0], k[1]);
            arch::mma_f16<type>(s[2 * t + 1], a, k[2], k[3]);
          }
        }
      }
    }
  }

  template <int Tokens, int TileTokens>
  __device__ __forceinline__ void multiply_values(
      std::uint32_t const (&weights)[pieces][Tokens / 8][2], token_tile<P, TileTokens> const& tile,
      int first, bool rest, int lane) {
    int const value_row = first + lane % 16;
    int const value_column = lane / 16 * 8;
    OTT_UNROLL
    for (int t = 0; t < Tokens / 16; ++t) {
      OTT_UNROLL
      for (int c = 0; c < P::head_dim / 16; ++c) {
        OTT_UNROLL
        for (int piece = 0; piece < pieces; ++piece) {
          if (piece > 0 && !rest) continue;
          std::uint32_t v[4];
          arch::load_transposed(
              v, &tile.values.items[piece][value_row + 16 * t][16 * c + value_column]);
          OTT_UNROLL
          for (int other = 0; other < pieces - piece; ++other) {
            uint4 const a{weights[other][2 * t][0], weights[other][2 * t][1],
                          weights[other][2 * t + 1][0], weights[other][2 * t + 1][1]};
            arch::mma_f16<type>(out[2 * c], a, v[0], v[1]);
            arch::mma_f16<type>(out[2 * c + 1], a, v[2], v[3]);
          }
        }
      }
    }
  }

  /// Moves the running maximum to cover new logits, of which this lane has `top`.
  __device__ __forceinline__ void raise(float (&top)[2]) {
    float keep[2];
    OTT_UNROLL
    for (int r = 0; r < 2; ++r) {
      top[r] = fmaxf(top[r], __shfl_xor_sync(everyone, top[r], 1));
      top[r] = fmaxf(top[r], __shfl_xor_sync(everyone, top[r], 2));
      float const raised = fmaxf(maximum[r], top[r]);
      keep[r] = raised > maximum[r] ? arch::exp2(maximum[r] - raised) : 1.0f;
      sum[r] *= keep[r];
      maximum[r] = raised;
    }
    if (__any_sync(everyone, keep[0] != 1.0f || keep[1] != 1.0f)) rescale(keep);
  }
};

}  // namespace ott
