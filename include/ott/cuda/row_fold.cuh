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
  float scale;     // of q.k
  float soft_cap;  // 0: none
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

/// Which second pieces hold something, and are multiplied.
struct piece_use {
  bool query;
  bool key;
  bool value;
};

/// Softmax state and output of 16 * Tiles query rows over the tokens that one warp has seen.
/// shape    lane l: rows l / 4 and l / 4 + 8 of each tile; out[m][t][2 s + i] is channel
///          8 t + 2 (l % 4) + i of row s; sum is of this lane's tokens alone until `finish`
template <class P, int Tiles>
struct row_state {
  static constexpr int tiles = Tiles;
  static constexpr int channel_tiles = P::head_dim / 8;
  static constexpr unsigned everyone = 0xffffffffu;

  float maximum[Tiles][2];
  float sum[Tiles][2];
  float out[Tiles][channel_tiles][4];

  __device__ __forceinline__ row_state() {
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      maximum[m][0] = maximum[m][1] = -infinity();
      sum[m][0] = sum[m][1] = 0;
      OTT_UNROLL
      for (int t = 0; t < channel_tiles; ++t) {
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) out[m][t][i] = 0;
      }
    }
  }
  /// Makes sums whole.
  __device__ __forceinline__ void finish() {
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      OTT_UNROLL
      for (int r = 0; r < 2; ++r) {
        sum[m][r] += __shfl_xor_sync(everyone, sum[m][r], 1);
        sum[m][r] += __shfl_xor_sync(everyone, sum[m][r], 2);
      }
    }
  }
};

/// Folds tiles of tokens into the state, all of a tile at once.
template <class P, int Tiles = 1>
struct row_fold : row_state<P, Tiles> {
  using state = row_state<P, Tiles>;
  using state::channel_tiles, state::everyone, state::maximum, state::out, state::sum;
  using operand = part_operand<P>;
  using type = typename operand::type;
  static constexpr int pieces = operand::pieces;

  /// Folds tokens first .. first + Tokens - 1 of the tile.
  /// shape    queries: 16 * Tiles rows from `row`; query_pos: by row
  template <int Tokens, int TileTokens, int Rows, int QueryPieces>
  __device__ __forceinline__ void add(token_tile<P, TileTokens> const& tile, int first,
                                      operand_rows<P, Rows, QueryPieces> const& queries, int row,
                                      int const* query_pos, score_rule const& rule, piece_use use,
                                      int lane) {
    float s[Tiles][Tokens / 8][4] = {};
    multiply_keys<Tokens>(s, tile, first, queries, row, use, lane);
    std::uint32_t weights[Tiles][pieces][Tokens / 8][2];
    OTT_UNROLL
    for (int m = 0; m < Tiles; ++m) {
      int const pos[2] = {query_pos[row + 16 * m + lane / 4],
                          query_pos[row + 16 * m + lane / 4 + 8]};
      float top[2] = {-infinity(), -infinity()};
      OTT_UNROLL
      for (int t = 0; t < Tokens / 8; ++t) {
        int const token = first + 8 * t + 2 * (lane % 4);
        float2 const factor = *reinterpret_cast<float2 const*>(&tile.factor[token]);
        int2 const at = *reinterpret_cast<int2 const*>(&tile.pos[token]);
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) {
          bool const seen = rule.sees(pos[i / 2], i % 2 == 0 ? at.x : at.y);
          float const x = rule.logit(s[m][t][i], i % 2 == 0 ? factor.x : factor.y);
          s[m][t][i] = seen ? x : -infinity();
          top[i / 2] = fmaxf(top[i / 2], s[m][t][i]);
        }
      }
      raise(m, top);
      weigh<Tokens>(s[m], weights[m], m);
    }
    multiply_values<Tokens>(weights, tile, first, use.value, lane);
  }

  __device__ __forceinline__ void rescale(int m, float const (&by)[2]) {
    OTT_UNROLL
    for (int t = 0; t < channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) out[m][t][i] *= by[i / 2];
    }
  }

 private:
  template <int Tokens, int TileTokens, int Rows, int QueryPieces>
  __device__ __forceinline__ void multiply_keys(float (&s)[Tiles][Tokens / 8][4],
                                                token_tile<P, TileTokens> const& tile, int first,
                                                operand_rows<P, Rows, QueryPieces> const& queries,
                                                int row, piece_use use, int lane) const {
    int const key_row = first + lane / 16 * 8 + lane % 8;
    int const key_column = lane / 8 % 2 * 8;
    int const query_row = row + lane % 16;
#pragma unroll 2
    for (int step = 0; step < P::head_dim / 16; ++step) {
      std::uint32_t q[Tiles][QueryPieces][4];
      OTT_UNROLL
      for (int piece = 0; piece < QueryPieces; ++piece) {
        if (piece > 0 && !use.query) continue;
        OTT_UNROLL
        for (int m = 0; m < Tiles; ++m) {
          arch::load_matrices(q[m][piece],
                              &queries.items[piece][query_row + 16 * m][16 * step + lane / 16 * 8]);
        }
      }
      OTT_UNROLL
      for (int t = 0; t < Tokens / 16; ++t) {
        OTT_UNROLL
        for (int piece = 0; piece < pieces; ++piece) {
          if (piece > 0 && !use.key) continue;
          std::uint32_t k[4];
          arch::load_matrices(k, &tile.keys.items[piece][key_row + 16 * t][16 * step + key_column]);
          OTT_UNROLL
          for (int other = 0; other < QueryPieces - piece; ++other) {
            if (other > 0 && !use.query) continue;
            OTT_UNROLL
            for (int m = 0; m < Tiles; ++m) {
              std::uint32_t const(&x)[4] = q[m][other];
              arch::mma_f16<type>(s[m][2 * t], uint4{x[0], x[1], x[2], x[3]}, k[0], k[1]);
              arch::mma_f16<type>(s[m][2 * t + 1], uint4{x[0], x[1], x[2], x[3]}, k[2], k[3]);
            }
          }
        }
      }
    }
  }

  /// Logits become weights, rounded to the operand type.
  template <int Tokens>
  __device__ __forceinline__ void weigh(float const (&s)[Tokens / 8][4],
                                        std::uint32_t (&weights)[pieces][Tokens / 8][2], int m) {
    OTT_UNROLL
    for (int r = 0; r < 2; ++r) {
      float const base = maximum[m][r] > -infinity() ? maximum[m][r] : 0.0f;
      OTT_UNROLL
      for (int t = 0; t < Tokens / 8; ++t) {
        float low = arch::exp2(s[t][2 * r] - base);
        float high = arch::exp2(s[t][2 * r + 1] - base);
        OTT_UNROLL
        for (int piece = 0; piece < pieces; ++piece) {
          weights[piece][t][r] = arch::narrow<type>(low, high);
          float2 const kept = arch::widen<type>(weights[piece][t][r]);
          sum[m][r] += kept.x + kept.y;  // what is multiplied is what is divided by
          low -= kept.x;
          high -= kept.y;
        }
      }
    }
  }

  template <int Tokens, int TileTokens>
  __device__ __forceinline__ void multiply_values(
      std::uint32_t const (&weights)[Tiles][pieces][Tokens / 8][2],
      token_tile<P, TileTokens> const& tile, int first, bool rest, int lane) {
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
            OTT_UNROLL
            for (int m = 0; m < Tiles; ++m) {
              std::uint32_t const(&w)[Tokens / 8][2] = weights[m][other];
              uint4 const a{w[2 * t][0], w[2 * t][1], w[2 * t + 1][0], w[2 * t + 1][1]};
              arch::mma_f16<type>(out[m][2 * c], a, v[0], v[1]);
              arch::mma_f16<type>(out[m][2 * c + 1], a, v[2], v[3]);
            }
          }
        }
      }
    }
  }

  /// Moves the running maximum to cover new logits, of which this lane has `top`.
  __device__ __forceinline__ void raise(int m, float (&top)[2]) {
    float keep[2];
    OTT_UNROLL
    for (int r = 0; r < 2; ++r) {
      top[r] = fmaxf(top[r], __shfl_xor_sync(everyone, top[r], 1));
      top[r] = fmaxf(top[r], __shfl_xor_sync(everyone, top[r], 2));
      float const raised = fmaxf(maximum[m][r], top[r]);
      keep[r] = raised > maximum[m][r] ? arch::exp2(maximum[m][r] - raised) : 1.0f;
      sum[m][r] *= keep[r];
      maximum[m][r] = raised;
    }
    if (__any_sync(everyone, keep[0] != 1.0f || keep[1] != 1.0f)) rescale(m, keep);
  }
};

}  // namespace ott
