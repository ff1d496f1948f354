#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/half_codes.cuh>
#include <ott/cuda/plane_sums.cuh>
#include <ott/cuda/wide_folded.cuh>
#include <ott/cuda/wide_query.hpp>

// Scores of eight query rows by fp16 tensor cores: keys are operand A, a row a column of B.
namespace ott {

namespace detail {

/// Sums of one plane of codes, row tile by row tile: `take(tile, sums)` gets four of them.
/// shape    b[step]: operand registers, of the first two channels of words and of the last two
template <class Plane, int RowTiles, int Steps, class Take>
__device__ __forceinline__ void multiply_halves(std::uint8_t const* codes, int lane,
                                                std::uint32_t const (&b)[Steps][4],
                                                Take const& take) {
  using halves = half_codes<Plane>;
  constexpr int tiles = Plane::tile_fields, step_chunks = Steps / Plane::step_fields;
  OTT_UNROLL
  for (int first = 0; first < RowTiles; first += tiles) {
    float sums[tiles][4] = {};
    OTT_UNROLL
    for (int chunk = 0; chunk < step_chunks; ++chunk) {
      uint4 const w =
          load_shared<uint4>(codes + (first / tiles * step_chunks + chunk) * 512 + lane * 16);
      OTT_UNROLL
      for (int part = 0; part < 2; ++part) {
        uint4 const bytes{halves::spread(w.x, part), halves::spread(w.y, part),
                          halves::spread(w.z, part), halves::spread(w.w, part)};
        OTT_UNROLL
        for (int field = 0; field < Plane::step_fields; ++field) {
          int const step = chunk * Plane::step_fields + field;
          OTT_UNROLL
          for (int tile = 0; tile < tiles; ++tile) {
            auto const of = [&](std::uint32_t x) { return halves::pick(x, tile, step); };
            arch::mma_f16<half>(sums[tile],
                                uint4{of(bytes.x), of(bytes.y), of(bytes.z), of(bytes.w)},
                                b[step][2 * part], b[step][2 * part + 1]);
          }
        }
      }
    }
    float others[4] = {};
    OTT_UNROLL
    for (int tile = 0; tile < tiles; ++tile) {
      OTT_UNROLL
      for (int k = 0; k < 4; ++k) sums[tile][k] = halves::own(tile, sums[tile][k], others[k]);
      take(first + tile, sums[tile]);
    }
  }
}

}  // namespace detail

/// Scores of a group's tokens for eight rows, in units of log2, as lanes hold them.
/// shape    lane l: rows 2 (l % 4) + i; at[i][2 t + s] is of token 16 t + 8 s + l / 4, in units of
///          its row tile until `logit`
template <class P>
struct wide_scores {
  using shape = group_shape<P>;
  using codes = typename shape::key::codes;
  static constexpr int own_rows = 2;

  float at[2][shape::lane_tokens];
  float unit[2];
  float base[2];

  __device__ __forceinline__ static int own_row(int lane, int i) { return 2 * (lane % 4) + i; }

  __device__ __forceinline__ wide_scores(std::uint8_t const* key, wide_query<P> const& q,
                                         int lane) {
    constexpr int tiles = shape::token_tiles, steps = shape::channel_steps;
    using low_plane = typename codes::low_plane;
    using high_plane = typename codes::high_plane;
    wide_folded<P> const f(key, q, lane);
    detail::multiply_halves<low_plane, tiles, steps>(key, lane, f.pairs,
                                                     [&](int tile, float const(&sums)[4]) {
                                                       OTT_UNROLL
                                                       for (int k = 0; k < 4; ++k)
                                                         at[k % 2][2 * tile + k / 2] = sums[k];
                                                     });
    if constexpr (codes::split) {
      detail::multiply_halves<high_plane, tiles, steps>(
          key + low_plane::num_words * 4, lane, f.pairs, [&](int tile, float const(&sums)[4]) {
            float const four = 4.0f * detail::unit_weight<high_plane>(tile) / weight(tile);
            OTT_UNROLL
            for (int k = 0; k < 4; ++k) {
              at[k % 2][2 * tile + k / 2] = fmaf(sums[k], four, at[k % 2][2 * tile + k / 2]);
            }
          });
    }
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) unit[i] = f.unit[i], base[i] = f.base[i];
    if constexpr (shape::has_factors) {
      std::uint8_t const* const own = key + shape::factors_at + lane / 4 * shape::lane_tokens * 2;
      OTT_UNROLL
      for (int j = 0; j < shape::lane_tokens; j += 4) {
        float4 const factor = detail::load_factors(own + j * 2);
        OTT_UNROLL
        for (int i = 0; i < 2; ++i) {
          set_logit(i, j, logit(i, j) * factor.x);
          set_logit(i, j + 1, logit(i, j + 1) * factor.y);
          set_logit(i, j + 2, logit(i, j + 2) * factor.z);
          set_logit(i, j + 3, logit(i, j + 3) * factor.w);
        }
      }
      plain();
    }
  }

  /// The score of row i and token j of this lane, less `less`, which the row has for all tokens.
  __device__ __forceinline__ float logit(int i, int j, float less = 0) const {
    return fmaf(at[i][j], unit[i] * weight(j / 2), base[i] - less);
  }

  /// Logits become cap * tanh(logit / cap). requires cap in units of log2
  __device__ __forceinline__ void soften(float cap) {
    float const inverse = 1.0f / cap;
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      OTT_UNROLL
      for (int j = 0; j < shape::lane_tokens; ++j) {
        set_logit(i, j, cap * arch::tanh(logit(i, j) * inverse));
      }
    }
    plain();
  }

  /// Takes tokens out: `hidden(i, token)` is asked for every score this lane holds.
  template <class Hidden>
  __device__ __forceinline__ void hide(int lane, Hidden const& hidden) {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      OTT_UNROLL
      for (int j = 0; j < shape::lane_tokens; ++j) {
        if (hidden(i, 8 * j + lane / 4)) at[i][j] = __int_as_float(0xff800000);
      }
    }
  }

 private:
  OTT_HD static constexpr float weight(int tile) {
    return detail::unit_weight<typename codes::low_plane>(tile);
  }
  /// requires `plain` follows when all are set
  __device__ __forceinline__ void set_logit(int i, int j, float x) { at[i][j] = x / weight(j / 2); }
  __device__ __forceinline__ void plain() {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) unit[i] = 1, base[i] = 0;
  }
};

}  // namespace ott
