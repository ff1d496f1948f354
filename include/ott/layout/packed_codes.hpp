#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>

// Fragment order: codes lie where the lanes of a warp want them as operand A of an 8-bit
// tensor-core multiply (mma m16n8k32), so that 16-byte loads fill A registers with one AND each.
// Keys and values use the same scheme with rows and columns exchanged. Byte map: docs/layout.md.
namespace ott {

/// Place of a matrix element among the tiles: 16 rows by 32 columns each.
struct fragment_place {
  int tile;  // row tile
  int row;   // 0..15 inside it
  int step;  // k-step of 32 columns
  int half;  // 0..1: first or second 16 columns of the step, as operand registers count them
  int quad;  // 0..3: lane % 4
  int byte;  // 0..3 inside the lane's word
};

/// One plane of `Bits`-bit codes over RowTiles x KSteps tiles.
/// shape    words: [row tiles / tile_fields][k-steps / step_fields][lane 32][register 4]
template <int Bits, int RowTiles, int KSteps>
struct code_plane {
  static constexpr int bits = Bits;
  static constexpr int fields = 8 / Bits;                    // codes a byte holds
  static constexpr int tile_fields = gcd(fields, RowTiles);  // fields that hold further row tiles
  static constexpr int step_fields = fields / tile_fields;   // fields that hold further k-steps
  static constexpr int chunk_words = 128;                    // one 16-byte load a lane
  static_assert(KSteps % step_fields == 0, "ott: code_plane needs k-steps padded to step_fields");
  static constexpr int num_chunks = (RowTiles / tile_fields) * (KSteps / step_fields);
  static constexpr int num_words = num_chunks * chunk_words;

  OTT_HD static constexpr int word(fragment_place p) {
    int const chunk = (p.tile / tile_fields) * (KSteps / step_fields) + p.step / step_fields;
    int const lane = (p.row % 8) * 4 + p.quad;
    return chunk * chunk_words + lane * 4 + (p.row / 8) + 2 * p.half;
  }
  OTT_HD static constexpr int shift(fragment_place p) {
    return 8 * p.byte + Bits * ((p.step % step_fields) * tile_fields + p.tile % tile_fields);
  }
  /// The place that field `field` of byte `byte` of a word holds.
  OTT_HD static constexpr fragment_place place(int word, int field, int byte) {
    int const chunk = word / chunk_words;
    int const lane = (word % chunk_words) / 4;
    int const reg = word % 4;
    int const row_group = chunk / (KSteps / step_fields);
    int const step_group = chunk % (KSteps / step_fields);
    return {row_group * tile_fields + field % tile_fields,
            lane / 4 + 8 * (reg & 1),
            step_group * step_fields + field / tile_fields,
            reg >> 1,
            lane % 4,
            byte};
  }
};

namespace detail {

/// Can planes of these bits lie over the tiles without a rest? 3 bits are a 2-bit and a 1-bit
/// plane.
OTT_HD constexpr bool fits_tiles(int bits, int row_tiles, int k_steps) {
  if (bits == 3) return fits_tiles(2, row_tiles, k_steps) && fits_tiles(1, row_tiles, k_steps);
  int const fields = 8 / bits;
  return k_steps % (fields / gcd(fields, row_tiles)) == 0;
}

}  // namespace detail

/// Keys: rows are tokens, columns are channels; lane quad q owns 8 * k_steps channels in a row.
template <int Bits, int Group, int HeadDim>
struct key_map {
  static constexpr int row_tiles = Group / 16;
  static constexpr int k_steps = [] {
    int steps = ceil_div(HeadDim, 32);
    while (!detail::fits_tiles(Bits, row_tiles, steps)) ++steps;
    return steps;
  }();
  static constexpr int padded_channels = 32 * k_steps;

  OTT_HD static constexpr fragment_place place(int token, int channel) {
    int const own = channel % (8 * k_steps);
    return {token / 16, token % 16, own / 8, own / 4 % 2, channel / (8 * k_steps), own % 4};
  }
  OTT_HD static constexpr int token(fragment_place p) { return 16 * p.tile + p.row; }
  OTT_HD static constexpr int channel(fragment_place p) {
    return p.quad * 8 * k_steps + 8 * p.step + 4 * p.half + p.byte;
  }
};

/// Values: rows are channels, columns are tokens. Lane row r owns 2 * row_tiles channels in a row;
/// the four tokens of a word are the ones that a transposed score tile leaves in one lane.
template <int Bits, int Group, int HeadDim>
struct value_map {
  static constexpr int k_steps = Group / 32;
  static constexpr int row_tiles = [] {
    int tiles = ceil_div(HeadDim, 16);
    while (!detail::fits_tiles(Bits, tiles, k_steps)) ++tiles;
    return tiles;
  }();
  static constexpr int padded_channels = 16 * row_tiles;

  OTT_HD static constexpr fragment_place place(int token, int channel) {
    int const own = channel % (2 * row_tiles);
    int const column = token % 16;
    return {own / 2,        channel / (2 * row_tiles) + 8 * (own % 2),
            token / 32,     token / 16 % 2,
            column % 8 / 2, column % 2 + 2 * (column / 8)};
  }
  OTT_HD static constexpr int token(fragment_place p) {
    return 32 * p.step + 16 * p.half + 2 * p.quad + p.byte % 2 + 8 * (p.byte / 2);
  }
  OTT_HD static constexpr int channel(fragment_place p) {
    return (p.row % 8) * 2 * row_tiles + 2 * p.tile + p.row / 8;
  }
};

/// All codes of one tensor of one group, as 32-bit words.
template <int Bits, class Map>
struct packed_codes {
  static constexpr bool split = Bits == 3;
  using low_plane = code_plane<split ? 2 : Bits, Map::row_tiles, Map::k_steps>;
  using high_plane = code_plane<split ? 1 : Bits, Map::row_tiles, Map::k_steps>;
  static constexpr int num_words = low_plane::num_words + (split ? high_plane::num_words : 0);

  /// The code of one element.
  OTT_HD static constexpr int get(std::uint32_t const* words, int token, int channel) {
    fragment_place const p = Map::place(token, channel);
    std::uint32_t const mask = (1u << low_plane::bits) - 1u;
    int code = static_cast<int>(words[low_plane::word(p)] >> low_plane::shift(p) & mask);
    if constexpr (split) {
      std::uint32_t const high = words[low_plane::num_words + high_plane::word(p)];
      code |= static_cast<int>(high >> high_plane::shift(p) & 1u) << 2;
    }
    return code;
  }

  /// One whole word, made of the codes it holds; `code(token, channel)` gives them.
  template <class Code>
  OTT_HD static constexpr std::uint32_t make_word(int word, Code const& code) {
    if constexpr (split) {
      if (word >= low_plane::num_words) {
        return gather<high_plane>(word - low_plane::num_words, [&](int token, int channel) {
          return code(token, channel) >> 2;
        });
      }
      return gather<low_plane>(word,
                               [&](int token, int channel) { return code(token, channel) & 3; });
    } else {
      return gather<low_plane>(word, code);
    }
  }

 private:
  template <class Plane, class Code>
  OTT_HD static constexpr std::uint32_t gather(int word, Code const& code) {
    std::uint32_t bits = 0;
    for (int byte = 0; byte < 4; ++byte) {
      for (int field = 0; field < Plane::fields; ++field) {
        fragment_place const p = Plane::place(word, field, byte);
        std::uint32_t const c = static_cast<std::uint32_t>(code(Map::token(p), Map::channel(p)));
        bits |= c << (8 * byte + Plane::bits * field);
      }
    }
    return bits;
  }
};

}  // namespace ott
