#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/row_lanes.cuh>

// Sums of codes times fixed-point numbers by integer tensor cores: codes go in as they lie, and the
// layout makes every operand one AND of one loaded word.
namespace ott {

namespace detail {

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

/// Sums of one plane, row tile by row tile: `take(set, tile, x, y)` gets a lane's two.
/// The last tile's codes are the top fields of their bytes: they go in with all fields below them,
/// and what the other tiles have summed is taken away. Exact, as the sums are integers.
/// requires Rows, Steps as the plane; b[set][step]: operand registers; Signed: their bytes are
template <class Plane, int RowTiles, int Steps, int Sets, bool Signed, class Take>
__device__ __forceinline__ void multiply_plane(std::uint8_t const* codes, int lane,
                                               std::uint32_t const (&b)[Sets][Steps][2],
                                               Take const& take) {
  constexpr int tiles = Plane::tile_fields, step_chunks = Steps / Plane::step_fields;
  constexpr bool whole = tiles > 1 && tiles * Plane::bits == 8;
  OTT_UNROLL
  for (int group = 0; group < RowTiles / tiles; ++group) {
    int sums[Sets][tiles][4] = {};
    OTT_UNROLL
    for (int chunk = 0; chunk < step_chunks; ++chunk) {
      uint4 const w = load_shared<uint4>(codes + (group * step_chunks + chunk) * 512 + lane * 16);
      OTT_UNROLL
      for (int field = 0; field < Plane::step_fields; ++field) {
        int const step = chunk * Plane::step_fields + field;
        OTT_UNROLL
        for (int tile = 0; tile < tiles; ++tile) {
          uint4 const a = whole && tile == tiles - 1 ? w : unit_codes<Plane>(w, tile, step);
          OTT_UNROLL
          for (int set = 0; set < Sets; ++set) {
            if constexpr (Signed) {
              arch::mma_u8s8(sums[set][tile], a, b[set][step][0], b[set][step][1]);
            } else {
              arch::mma_u8u8(sums[set][tile], a, b[set][step][0], b[set][step][1]);
            }
          }
        }
      }
    }
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      std::uint32_t below[2] = {0, 0};  // wraps, as the last sum may before it is taken away
      OTT_UNROLL
      for (int tile = 0; tile < tiles; ++tile) {
        int const(&s)[4] = sums[set][tile];
        std::uint32_t joined[2];
        OTT_UNROLL
        for (int i = 0; i < 2; ++i) {
          joined[i] = static_cast<std::uint32_t>(s[2 * i]) * 256u +
                      static_cast<std::uint32_t>(s[2 * i + 1]);
          if (whole && tile == tiles - 1) joined[i] -= below[i];
          below[i] += joined[i];
        }
        take(set, group * tiles + tile, static_cast<float>(static_cast<int>(joined[0])),
             static_cast<float>(static_cast<int>(joined[1])));
      }
    }
  }
}

/// Key factors of four neighbouring tokens.
__device__ __forceinline__ float4 load_factors(std::uint8_t const* at) {
  uint2 const w = load_shared<uint2>(at);
  float2 const a = arch::widen<half>(w.x), b = arch::widen<half>(w.y);
  return {a.x, a.y, b.x, b.y};
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

}  // namespace ott
