#pragma once

#include <type_traits>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/exact_tile.hpp>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/query_record.hpp>
#include <ott/cuda/wide_query.hpp>

namespace ott {

/// How attention over groups fills a multiprocessor; changes speed and never results, but for
/// `warps`, which share a split's groups among them.
struct group_tuning {
  int warps = 4;           // of one block
  int blocks = 3;          // resident on a multiprocessor
  int stages = 3;          // halves a warp's ring holds
  int cycle_bytes = 2400;  // that the device reads in a cycle of its multiprocessors (H200)
};

/// Bytes of one stage of a ring: a half of a group, or a tile of exact rows.
template <class P>
OTT_HD constexpr int group_stage_bytes() {
  int const exact = has_exact_rows<P> ? exact_tile<P>::bytes : 0;
  if constexpr (has_exact_groups<P>) {
    return exact;
  } else {
    int const half = group_shape<P>::stage_bytes;
    return half > exact ? half : exact;
  }
}

/// Bytes of query rows, whichever way they are needed.
template <class P, int Sets>
OTT_HD constexpr int group_query_bytes() {
  int const exact = has_exact_rows<P> ? 4 * Sets * P::head_dim * 4 * (Sets == 1 ? 2 : 1) : 0;
  if constexpr (has_exact_groups<P>) {
    return exact;
  } else {
    using query = std::conditional_t<is_wide<P, Sets>, wide_query<P>, query_record<P, Sets>>;
    int const record = int{sizeof(query)};
    return round_up(record > exact ? record : exact, 128);
  }
}

/// Bytes of one block's shared memory but for the batch's list.
template <class P, int Sets>
OTT_HD constexpr int group_shared_bytes(group_tuning t) {
  int const exchange = 4 * Sets * (t.warps * (P::head_dim + 4 + 2) + 1) * 4;
  return t.warps * t.stages * group_stage_bytes<P>() + group_query_bytes<P, Sets>() +
         round_up(exchange, 128) + round_up(2 * 11 * 4 + 8 + 4 * t.warps, 128);
}

/// The default: as many blocks as registers and shared memory let live, then a deeper ring.
/// source   docs/performance-log.md
template <class P, int Sets>
struct default_group_tuning {
  static constexpr int shared_bytes = 228 * 1024;  // of a multiprocessor (sm_90)
  static constexpr int reserve = 1024 + 1024;      // the runtime's own and a batch of 255 a block

  OTT_HD static constexpr int most_blocks() {
    if constexpr (has_exact_groups<P>) {
      return P::head_dim <= 128 ? 4 : 3;
    } else {
      using shape = group_shape<P>;
      int const live =
          Sets * (shape::lane_tokens + shape::lane_channels + 2 * shape::channel_steps);
      return live <= 40 ? 4 : live <= 80 ? 3 : live <= 128 ? 2 : 1;
    }
  }
  OTT_HD static constexpr group_tuning get() {
    group_tuning best{4, 0, 0};
    for (int stages = 3; stages >= 2; --stages) {
      int const bytes = group_shared_bytes<P, Sets>({4, 1, stages}) + reserve;
      int const room = shared_bytes / bytes;
      int const blocks = room < most_blocks() ? room : most_blocks();
      if (blocks > best.blocks) best = {4, blocks, stages};
    }
    while (best.blocks == 0 && best.warps > 1) {  // one block of fewer warps
      best.warps /= 2;
      if (group_shared_bytes<P, Sets>({best.warps, 1, 2}) + reserve <= shared_bytes) {
        best.blocks = 1, best.stages = 2;
      }
    }
    return best;
  }
};

}  // namespace ott
