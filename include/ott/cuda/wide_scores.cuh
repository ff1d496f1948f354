#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/score_tile.cuh>
#include <ott/cuda/wide_query.hpp>

// Scores of eight query rows by integer tensor cores: as score_tile.cuh, but a row fills a column
// of its own in two operands, one of the high bytes of its fixed point and one of the low bytes.
namespace ott {

namespace detail {

/// Sums of one plane of codes, row tile by row tile: `take(tile, sums)` gets four of them.
/// shape    b[part][step]: operand registers, high bytes and low bytes, both signed
template <class Plane, int RowTiles, int Steps, class Take>
__device__ __forceinline__ void multiply_bytes(std::uint8_t const* codes, int lane,
                                               std::uint32_t const (&b)[2][Steps][2],
                                               Take const& take) {
  constexpr int tiles = Plane::tile_fields, step_chunks = Steps / Plane::step_fields;
  using number = byte_sums<true, 32 * Steps>;
  constexpr int each = tiles % 2 == 0 ? 2 : 1;  // row tiles at once: registers are few
  OTT_UNROLL
  for (int first = 0; first < RowTiles; first += each) {
    int high[each][4], low[each][4];
    OTT_UNROLL
    for (int chunk = 0; chunk < step_chunks; ++chunk) {
      uint4 const w =
          load_shared<uint4>(codes + (first / tiles * step_chunks + chunk) * 512 + lane * 16);
      OTT_UNROLL
      for (int field = 0; field < Plane::step_fields; ++field) {
        int const step = chunk * Plane::step_fields + field;
        OTT_UNROLL
        for (int i = 0; i < each; ++i) {
          uint4 const a = unit_codes<Plane>(w, first + i, step);
          if (step == 0) {
            arch::begin_mma_u8<true>(high[i], a, b[0][step][0], b[0][step][1], number::begin);
            arch::begin_mma_u8<true>(low[i], a, b[1][step][0], b[1][step][1], number::begin);
          } else {
            arch::mma_u8s8(high[i], a, b[0][step][0], b[0][step][1]);
            arch::mma_u8s8(low[i], a, b[1][step][0], b[1][step][1]);
          }
        }
      }
    }
    OTT_UNROLL
    for (int i = 0; i < each; ++i) {
      float sums[4];
      OTT_UNROLL
      for (int k = 0; k < 4; ++k) sums[k] = number::join(high[i][k], low[i][k]);
      take(first + i, sums);
    }
  }
}

}  // namespace detail

/// Eight query rows folded with one group's key parameters.
/// shape    lane l: bytes of row l / 4; unit, base of rows 2 (l % 4) + i
template <class P>
struct wide_folded {
  std::uint32_t bytes[2][group_shape<P>::channel_steps][2];  // high, low
  float unit[2];                                             // of the fixed point: a power of two
  float base[2];                                             // q . zero

  __device__ __forceinline__ wide_folded(std::uint8_t const* key, wide_query<P> const& q,
                                         int lane) {
    using shape = group_shape<P>;
    using param = typename P::param;
    constexpr int steps = shape::channel_steps;
    std::uint8_t const* const own = key + lane % 4 * 16 * steps;
    find_base(own + (shape::has_key_zero ? shape::key_zeros_at : shape::key_scales_at), q, lane);
    float x[steps][8], most[4] = {1e-30f, 0, 0, 0};
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      uint4 const w = detail::load_shared<uint4>(own + shape::key_scales_at + s * 16);
      std::uint32_t const scales[4] = {w.x, w.y, w.z, w.w};
      OTT_UNROLL
      for (int h = 0; h < 2; ++h) {
        float4 const row = *reinterpret_cast<float4 const*>(q.exact[s][h][lane]);
        float2 const a = arch::widen<param>(scales[2 * h]);
        float2 const b = arch::widen<param>(scales[2 * h + 1]);
        x[s][4 * h] = row.x * a.x, x[s][4 * h + 1] = row.y * a.y;
        x[s][4 * h + 2] = row.z * b.x, x[s][4 * h + 3] = row.w * b.y;
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) most[i] = fmaxf(most[i], fabsf(x[s][4 * h + i]));
      }
    }
    float reach = fmaxf(fmaxf(most[0], most[1]), fmaxf(most[2], most[3]));
    reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, 1));
    reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, 2));
    // The largest becomes 2^14 to 2^15, less what rounding the high byte may add.
    int const power = __float_as_int(reach * (1.0f + 1.0f / 128)) & 0x7f800000;
    float const scale = __int_as_float((127 + 127 + 14 << 23) - power);
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      int const theirs = __shfl_sync(detail::all_lanes, power, 8 * (lane % 4) + 4 * i);
      unit[i] = __int_as_float(theirs - (14 << 23));
    }
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      OTT_UNROLL
      for (int h = 0; h < 2; ++h) {
        // 1.5 * 2^23 leaves the rounded integer in the low bits; + 128 makes the high byte round.
        std::uint32_t u[4];
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) {
          u[i] = __float_as_uint(fmaf(x[s][4 * h + i], scale, 12583040.0f));
        }
        std::uint32_t const first = __byte_perm(u[0], u[1], 0x5410);
        std::uint32_t const last = __byte_perm(u[2], u[3], 0x5410);
        bytes[0][s][h] = __byte_perm(first, last, 0x7531);
        bytes[1][s][h] = __byte_perm(first, last, 0x6420) ^ 0x80808080u;  // signed: - 128
      }
    }
  }

 private:
  __device__ __forceinline__ void find_base(std::uint8_t const* zeros, wide_query<P> const& q,
                                            int lane) {
    using shape = group_shape<P>;
    // A's rows below 8 serve one half of the channels, the rows above the other: no register moves.
    float low[4] = {}, high[4] = {};
    OTT_UNROLL
    for (int s = 0; s < shape::channel_steps; ++s) {
      uint4 const a = detail::load_shared<uint4>(zeros + s * 16);
      OTT_UNROLL
      for (int part = 0; part < 2; ++part) {
        uint4 const b = *reinterpret_cast<uint4 const*>(q.split[part][s][lane]);
        arch::mma_f16<typename P::param>(low, a, b.x, b.y);
        arch::mma_f16<typename P::param>(high, a, b.z, b.w);
      }
    }
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      base[i] = low[i] + high[2 + i];
      if constexpr (!shape::has_key_zero) base[i] *= shape::key_zero_of_unit;
    }
  }
};

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
    detail::multiply_bytes<low_plane, tiles, steps>(key, lane, f.bytes,
                                                    [&](int tile, float const(&sums)[4]) {
                                                      OTT_UNROLL
                                                      for (int k = 0; k < 4; ++k)
                                                        at[k % 2][2 * tile + k / 2] = sums[k];
                                                    });
    if constexpr (codes::split) {
      detail::multiply_bytes<high_plane, tiles, steps>(
          key + low_plane::num_words * 4, lane, f.bytes, [&](int tile, float const(&sums)[4]) {
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
        uint2 const w = detail::load_shared<uint2>(own + j * 2);
        float2 const a = arch::widen<half>(w.x), b = arch::widen<half>(w.y);
        OTT_UNROLL
        for (int i = 0; i < 2; ++i) {
          set_logit(i, j, logit(i, j) * a.x), set_logit(i, j + 1, logit(i, j + 1) * a.y);
          set_logit(i, j + 2, logit(i, j + 2) * b.x), set_logit(i, j + 3, logit(i, j + 3) * b.y);
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
