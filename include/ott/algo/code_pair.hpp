#pragma once

#include <ott/core/macros.hpp>
#include <ott/layout/packed_codes.hpp>

namespace ott::detail {

/// Two neighbouring words, half of what a lane owns of a chunk: all codes of a few tokens by a run
/// of channels, which lie where they do from the first.
template <class Plane, class Map>
struct code_pair {
  static constexpr int count = Plane::num_words / 2;
  static constexpr bool rows_are_tokens = Map::token(fragment_place{0, 1, 0, 0, 0, 0}) == 1;
  static constexpr int tokens = rows_are_tokens ? 2 * Plane::tile_fields : 4 * Plane::step_fields;
  static constexpr int runs = rows_are_tokens ? Plane::step_fields : 1;
  static constexpr int run = rows_are_tokens ? 4 : 2 * Plane::tile_fields;  // channels in a row

  OTT_HD static constexpr int token(int i) {
    return rows_are_tokens ? 16 * (i / 2) + 8 * (i % 2) : 32 * (i / 4) + 8 * (i / 2 % 2) + i % 2;
  }

  /// Pairs come in runs of `unit`, one for each of `turns` parts of the tensor and again.
  static constexpr int step_groups = Map::k_steps / Plane::step_fields;
  static constexpr int row_groups = Plane::num_chunks / step_groups;
  static constexpr int turns = rows_are_tokens ? 4 : step_groups;
  static constexpr int unit = rows_are_tokens ? 16 : row_groups % 2 == 0 ? 128 : 64;

  /// The n-th pair of one of `shares` parts. requires turns % shares == 0
  OTT_HD static constexpr int of_share(int n, int share, int shares) {
    int const each = turns / shares;
    return (n / unit / each * turns + share * each + n / unit % each) * unit + n % unit;
  }

  /// First word of the n-th pair. Neighbours in this order read a tile's rows from different banks,
  /// and a warp still writes whole stretches of 32 bytes.
  OTT_HD static constexpr int first_word(int n) {
    int chunk = n / 64;
    int half = n % 2;
    int row = n / 2 % 8;
    int quad = n / 16 % 4;
    if constexpr (!rows_are_tokens) {
      half = n / 8 % 2;
      row = n % 8;
      if constexpr (row_groups % 2 == 0) {
        int const step = n / 128 % step_groups;
        chunk = (n / 128 / step_groups * 2 + n % 2) * step_groups + step;
        row = n / 2 % 4 + n / 64 % 2 * 4;
      }
    }
    return (chunk * 32 + row * 4 + quad) * 4 + 2 * half;
  }
};

}  // namespace ott::detail
