#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/query_record.hpp>

// Scores of one group by integer tensor cores. q . (zero + scale * code) is taken apart: q * scale
// becomes 16-bit fixed point once a group, its two bytes sit in neighbouring columns, codes go in
// as they lie, and q . zero is one fp16 product for all tokens.
// source   docs/performance.md; the layout makes every operand one AND of one loaded word
namespace ott {

namespace detail {

constexpr unsigned all_lanes = 0xffffffffu;

/// 16 (8, 4) bytes of shared memory.
template <class T>
__device__ __forceinline__ T load_shared(std::uint8_t const* at) {
  return *reinterpret_cast<T const*>(at);
}

/// The codes of one unit: row tile `tile % tile_fields` of k-step `step % step_fields` of a chunk.
template <class Plane>
__device__ __forceinline__ uint4 unit_codes(uint4 w, int tile, int step) {
  int const shift = Plane::bits * Plane::tile_fields * (step % Plane::step_fields);
  std::uint32_t const mask =
      0x01010101u * (((1u << Plane::bits) - 1u) << (Plane::bits * (tile % Plane::tile_fields)));
  return {w.x >> shift & mask, w.y >> shift & mask, w.z >> shift & mask, w.w >> shift & mask};
}

/// The weight that the field left on row tile `tile`'s sums, undone.
template <class Plane>
OTT_HD constexpr float unit_weight(int tile) {
  return 1.0f / static_cast<float>(1 << (Plane::bits * (tile % Plane::tile_fields)));
}

/// How sums of codes times bytes become numbers. Where they stay `small`, accumulators begin at
/// 2^23, or 1.5 * 2^23 if signed: their bits are then a float, that much too large.
template <bool Signed, int Columns>
struct byte_sums {
  static constexpr bool small =
      Signed ? 128 * 255 * Columns < 1 << 22 : 255 * 255 * Columns < 1 << 23;
  static constexpr int begin = !small ? 0 : Signed ? 0x4b400000 : 0x4b000000;

  /// 256 * high + low.
  __device__ __forceinline__ static float join(int high, int low) {
    if constexpr (small) {
      constexpr float much = Signed ? 0x1.8p23f : 0x1p23f;
      return fmaf(__int_as_float(high), 256.0f, -257.0f * much) + __int_as_float(low);
    } else {
      return static_cast<float>(high * 256 + low);
    }
  }
};

/// Sums of one plane, row tile by row tile: `take(tile, sums)` gets the four accumulators a set.
/// requires Rows, Steps as the plane; b[set][step]: operand registers; Signed: their bytes are
template <class Plane, int RowTiles, int Steps, int Sets, bool Signed, class Take>
__device__ __forceinline__ void multiply_plane(std::uint8_t const* codes, int lane,
                                               std::uint32_t const (&b)[Sets][Steps][2],
                                               Take const& take) {
  constexpr int tiles = Plane::tile_fields, step_chunks = Steps / Plane::step_fields;
  using number = byte_sums<Signed, 32 * Steps>;
  OTT_UNROLL
  for (int group = 0; group < RowTiles / tiles; ++group) {
    int sums[Sets][tiles][4];
    OTT_UNROLL
    for (int chunk = 0; chunk < step_chunks; ++chunk) {
      uint4 const w = load_shared<uint4>(codes + (group * step_chunks + chunk) * 512 + lane * 16);
      OTT_UNROLL
      for (int field = 0; field < Plane::step_fields; ++field) {
        int const step = chunk * Plane::step_fields + field;
        OTT_UNROLL
        for (int tile = 0; tile < tiles; ++tile) {
          uint4 const a = unit_codes<Plane>(w, tile, step);
          OTT_UNROLL
          for (int set = 0; set < Sets; ++set) {
            int(&d)[4] = sums[set][tile];
            if (step == 0) {
              arch::begin_mma_u8<Signed>(d, a, b[set][step][0], b[set][step][1], number::begin);
            } else if constexpr (Signed) {
              arch::mma_u8s8(d, a, b[set][step][0], b[set][step][1]);
            } else {
              arch::mma_u8u8(d, a, b[set][step][0], b[set][step][1]);
            }
          }
        }
      }
    }
    OTT_UNROLL
    for (int tile = 0; tile < tiles; ++tile) {
      OTT_UNROLL
      for (int set = 0; set < Sets; ++set) {
        int const(&s)[4] = sums[set][tile];
        take(set, group * tiles + tile, number::join(s[0], s[1]), number::join(s[2], s[3]));
      }
    }
  }
}

/// Takes a group's traced tokens out of scores that lanes hold as tokens 8 i + lane / 4.
template <class Shape, int Rows>
__device__ __forceinline__ void hide_marked(float (&scores)[Rows][Shape::lane_tokens],
                                            std::uint8_t const* value, int lane) {
  std::uint32_t marks[Shape::token_steps], any = 0;
  OTT_UNROLL
  for (int i = 0; i < Shape::token_steps; ++i) {
    marks[i] = load_shared<std::uint32_t>(value + Shape::marks_at + 4 * i);
    any |= marks[i];
  }
  if (any == 0) return;  // the same for the whole warp
  OTT_UNROLL
  for (int i = 0; i < Shape::lane_tokens; ++i) {
    bool const marked = (marks[i / 4] >> (lane / 4) & 1u << (8 * (i % 4))) != 0;
    OTT_UNROLL
    for (int row = 0; row < Rows; ++row) {
      if (marked) scores[row][i] = __int_as_float(0xff800000);
    }
  }
}

}  // namespace detail

/// Query rows folded with one group's key parameters.
template <class P, int Sets>
struct folded_query {
  std::uint32_t bytes[Sets][group_shape<P>::channel_steps][2];
  float unit[Sets];  // of the fixed point, for this lane's row
  float base[Sets];  // q . zero, for this lane's row

  __device__ __forceinline__ folded_query(std::uint8_t const* key, query_record<P, Sets> const& q,
                                          int lane) {
    using shape = group_shape<P>;
    using param = typename P::param;
    constexpr int steps = shape::channel_steps;
    bool const odd = (lane & 4) != 0;
    int const first = lane % 4 * 8 * steps;
    std::uint8_t const* const scales = key + shape::key_scales_at + first * 2;
    // Lanes r and r + 1 (r even) share a row: each scales one half of every eight channels.
    uint2 pairs[steps];
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      pairs[s] = detail::load_shared<uint2>(scales + s * 16 + (odd ? 8 : 0));
    }
    std::uint32_t const keep = odd ? 0x6420 : 0x7531, send = odd ? 0x7531 : 0x6420;
    std::uint32_t const flip = odd ? 0x80808080u : 0u;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      // A's rows below 8 serve one half of the channels, the rows above the other: no register
      // moves.
      constexpr int at = shape::has_key_zero ? shape::key_zeros_at : shape::key_scales_at;
      float low[4] = {}, high[4] = {};
      OTT_UNROLL
      for (int s = 0; s < steps; ++s) {
        uint4 const a = detail::load_shared<uint4>(key + at + first * 2 + s * 16);
        uint4 const b = *reinterpret_cast<uint4 const*>(q.split[set][s][lane]);
        arch::mma_f16<param>(low, a, b.x, b.y);
        arch::mma_f16<param>(high, a, b.z, b.w);
      }
      base[set] = (low[0] + low[1]) + (high[2] + high[3]);
      if constexpr (!shape::has_key_zero) base[set] *= shape::key_zero_of_unit;
      float x[steps][4], most[4] = {1e-30f, 0, 0, 0};
      OTT_UNROLL
      for (int s = 0; s < steps; ++s) {
        float4 const row = *reinterpret_cast<float4 const*>(q.exact[set][s][lane]);
        float2 const a = arch::widen<param>(pairs[s].x), b = arch::widen<param>(pairs[s].y);
        x[s][0] = row.x * a.x, x[s][1] = row.y * a.y, x[s][2] = row.z * b.x, x[s][3] = row.w * b.y;
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) most[i] = fmaxf(most[i], fabsf(x[s][i]));
      }
      float reach = fmaxf(fmaxf(most[0], most[1]), fmaxf(most[2], most[3]));
      OTT_UNROLL
      for (int d = 1; d <= 4; d *= 2) {
        reach = fmaxf(reach, __shfl_xor_sync(detail::all_lanes, reach, d));
      }
      float const scale = shape::key_reach * arch::reciprocal(reach);
      unit[set] = __shfl_sync(detail::all_lanes, reach, 8 * (lane % 4)) * (1.0f / shape::key_reach);
      OTT_UNROLL
      for (int s = 0; s < steps; ++s) {
        // 1.5 * 2^23 leaves the rounded integer in the low bits; + 128 makes the high byte round.
        std::uint32_t u[4];
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) u[i] = __float_as_uint(fmaf(x[s][i], scale, 12583040.0f));
        std::uint32_t const low = __byte_perm(u[0], u[1], 0x5410);
        std::uint32_t const high = __byte_perm(u[2], u[3], 0x5410);
        std::uint32_t const mine = __byte_perm(low, high, keep);
        std::uint32_t const other =
            __shfl_xor_sync(detail::all_lanes, __byte_perm(low, high, send), 4);
        bytes[set][s][0] = (odd ? other : mine) ^ flip;  // low bytes are signed: - 128
        bytes[set][s][1] = (odd ? mine : other) ^ flip;
      }
    }
  }
};

/// Scores of a group's tokens, in units of log2, as lanes hold them.
/// shape    lane l: rows 4 * set + l % 4; at[set][2 t + s] is of token 16 t + 8 s + l / 4, in units
///          of its row tile until `logit`
template <class P, int Sets>
struct score_tile {
  using shape = group_shape<P>;
  using codes = typename shape::key::codes;
  static constexpr int own_rows = Sets;
  float at[Sets][shape::lane_tokens];
  float unit[Sets];
  float base[Sets];

  __device__ __forceinline__ static int own_row(int lane, int i) { return 4 * i + lane % 4; }

  __device__ __forceinline__ score_tile(std::uint8_t const* key, query_record<P, Sets> const& q,
                                        int lane) {
    constexpr int tiles = shape::token_tiles, steps = shape::channel_steps;
    folded_query<P, Sets> const f(key, q, lane);
    detail::multiply_plane<typename codes::low_plane, tiles, steps, Sets, true>(
        key, lane, f.bytes, [&](int set, int tile, float x, float y) {
          at[set][2 * tile] = x, at[set][2 * tile + 1] = y;
        });
    if constexpr (codes::split) {
      detail::multiply_plane<typename codes::high_plane, tiles, steps, Sets, true>(
          key + codes::low_plane::num_words * 4, lane, f.bytes,
          [&](int set, int tile, float x, float y) {
            float const four =
                4.0f * detail::unit_weight<typename codes::high_plane>(tile) / weight(tile);
            at[set][2 * tile] = fmaf(x, four, at[set][2 * tile]);
            at[set][2 * tile + 1] = fmaf(y, four, at[set][2 * tile + 1]);
          });
    }
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) unit[set] = f.unit[set], base[set] = f.base[set];
    if constexpr (shape::has_factors) {
      std::uint8_t const* const own = key + shape::factors_at + lane / 4 * shape::lane_tokens * 2;
      OTT_UNROLL
      for (int i = 0; i < shape::lane_tokens; i += 4) {
        uint2 const w = detail::load_shared<uint2>(own + i * 2);
        float2 const a = arch::widen<half>(w.x), b = arch::widen<half>(w.y);
        OTT_UNROLL
        for (int set = 0; set < Sets; ++set) {
          set_logit(set, i, logit(set, i) * a.x), set_logit(set, i + 1, logit(set, i + 1) * a.y);
          set_logit(set, i + 2, logit(set, i + 2) * b.x);
          set_logit(set, i + 3, logit(set, i + 3) * b.y);
        }
      }
      plain();
    }
  }

  /// The score of row `set` and token i of this lane, less `less`, which the row has for all
  /// tokens.
  __device__ __forceinline__ float logit(int set, int i, float less = 0) const {
    return fmaf(at[set][i], unit[set] * weight(i / 2), base[set] - less);
  }

  /// Logits become cap * tanh(logit / cap). requires cap in units of log2
  __device__ __forceinline__ void soften(float cap) {
    float const inverse = 1.0f / cap;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      OTT_UNROLL
      for (int i = 0; i < shape::lane_tokens; ++i) {
        set_logit(set, i, cap * arch::tanh(logit(set, i) * inverse));
      }
    }
    plain();
  }

  /// Takes tokens out: `hidden(set, token)` is asked for every score this lane holds.
  template <class Hidden>
  __device__ __forceinline__ void hide(int lane, Hidden const& hidden) {
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      OTT_UNROLL
      for (int i = 0; i < shape::lane_tokens; ++i) {
        if (hidden(set, 8 * i + lane / 4)) at[set][i] = __int_as_float(0xff800000);
      }
    }
  }

 private:
  OTT_HD static constexpr float weight(int tile) {
    return detail::unit_weight<typename codes::low_plane>(tile);
  }
  /// requires `plain` follows when all are set
  __device__ __forceinline__ void set_logit(int set, int i, float x) {
    at[set][i] = x / weight(i / 2);
  }
  __device__ __forceinline__ void plain() {
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) unit[set] = 1, base[set] = 0;
  }
};

}  // namespace ott
