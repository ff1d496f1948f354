#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>

// Codes as operands of fp16 tensor cores. Up to 2047 the bits of an fp16 are a number of steps of
// 2^-24: codes go in where they lie in their byte, and their field's weight is undone in the end.
namespace ott::detail {

/// One step of an fp16 below 2^-14.
inline constexpr float half_step = 0x1p-24f;

/// A code plane as operands of 16 columns: two neighbours side by side, each in its byte.
template <class Plane>
struct half_codes {
  static constexpr int tiles = Plane::tile_fields;
  /// Is the last field of a row tile left among the others, to be told apart in the end?
  static constexpr bool sums_all = Plane::step_fields == 1 && tiles > 1;

  /// Bytes 0 and 1 (2 and 3) of a word in a half each.
  __device__ __forceinline__ static std::uint32_t spread(std::uint32_t word, bool second) {
    return __byte_perm(word, 0, second ? 0x4342 : 0x4140);
  }
  /// The codes of row tile `tile` and k-step `step` in spread bytes.
  __device__ __forceinline__ static std::uint32_t pick(std::uint32_t bytes, int tile, int step) {
    int const field = tile % tiles;
    if (Plane::step_fields == 1 && field == tiles - 1) return bytes;
    int const shift = Plane::bits * tiles * (step % Plane::step_fields);
    return bytes >> shift & 0x00010001u * (((1u << Plane::bits) - 1u) << (Plane::bits * field));
  }
  /// The last row tile's own part of a sum over all fields of its bytes; others: sums of the fields
  /// below.
  __device__ __forceinline__ static float own(int tile, float sum, float& others) {
    bool const last = tile % tiles == tiles - 1;
    float const mine = sums_all && last ? sum - others : sum;
    others = last ? 0 : others + mine;
    return mine;
  }
};

}  // namespace ott::detail
