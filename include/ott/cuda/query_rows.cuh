#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/rotate_eights.cuh>
#include <ott/cuda/row_reach.cuh>

namespace ott {

/// Query rows that a block attends with at once: rows [tile * size, tile * size + size) of those of
/// one KV head of one sequence, counted in query rows times query heads.
struct query_tile {
  int first;   // row of the batch where the sequence begins
  int rows;    // query rows of the sequence
  int length;  // tokens of the sequence
  int tile;
  int kv_head;
};

/// The rows of one tile on their way from memory to a block's record, in registers: for groups,
/// which want them rotated, or for exact rows.
/// shape    an eight is eight channels of a row, where the record wants them
template <class P, class Groups, class Exact, int Threads>
struct query_rows {
  static constexpr int eights = Groups::eights > Exact::eights ? Groups::eights : Exact::eights;
  static constexpr int each = ceil_div(eights, Threads);

  std::uint32_t bits[each][8];  // as they lie in memory; not looked at before `store`

  __device__ __forceinline__ void load(attend_args<P> const& args, query_tile const& from,
                                       bool exact, int thread) {
    int const per_kv = args.q_per_kv(), last = from.rows * per_kv;
    OTT_UNROLL
    for (int k = 0; k < each; ++k) {
      int const eight = k * Threads + thread;
      int const row = from.tile * Groups::rows + (exact ? Exact::row(eight) : Groups::row(eight));
      int const channel = exact ? Exact::channel(eight) : Groups::channel(eight);
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) bits[k][c] = 0;
      if (eight >= (exact ? Exact::eights : Groups::eights) || row >= last ||
          channel >= P::head_dim) {
        continue;
      }
      int const own = args.query_row(row), q_row = from.first + own;
      int const q_head = from.kv_head * per_kv + row - own * per_kv;
      std::int64_t const i = q_row * args.q.token_stride + q_head * args.q.head_stride + channel;
      if (args.q.kind == scalar_kind::single) {
        read(bits[k], static_cast<float const*>(args.q.data) + i);
      } else {
        read(bits[k], static_cast<std::uint16_t const*>(args.q.data) + i);
      }
    }
  }
  /// requires a record of exact rows where they were loaded as exact; every thread of the block
  /// calls
  template <class Record>
  __device__ __forceinline__ void store(Record& to, attend_args<P> const& args, int thread) const {
    scalar_kind const kind = args.q.kind;
    float const scale = args.options.scale * 1.4426950408889634f;
    float x[each][8];
    OTT_UNROLL
    for (int k = 0; k < each; ++k) {
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) {
        auto const narrow = static_cast<std::uint16_t>(bits[k][c / 2] >> 16 * (c % 2));
        x[k][c] = kind == scalar_kind::single ? __uint_as_float(bits[k][c])
                  : kind == scalar_kind::half ? to_float(half{narrow})
                                              : to_float(bf16{narrow});
        if constexpr (Record::prepared && !Record::has_units) x[k][c] *= scale;
      }
    }
    if constexpr (Record::prepared) {
      rotate_eights<typename P::key_rotation, P::head_dim, Threads>(x, to, thread);
    }
    if constexpr (Record::has_units) {
      float reach[each];
      find_reach<Threads>(x, reach, to, thread);
      OTT_UNROLL
      for (int k = 0; k < each; ++k) {
        int const eight = k * Threads + thread;
        if (eight < Record::eights) to.write(eight, x[k], reach[k], scale);
      }
    } else {
      OTT_UNROLL
      for (int k = 0; k < each; ++k) {
        if (k * Threads + thread < Record::eights) to.write(k * Threads + thread, x[k]);
      }
    }
  }

 private:
  __device__ __forceinline__ static void read(std::uint32_t (&to)[8], float const* from) {
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) to[c] = __float_as_uint(from[c]);
  }
  __device__ __forceinline__ static void read(std::uint32_t (&to)[8], std::uint16_t const* from) {
    if (reinterpret_cast<std::uintptr_t>(from) % 16 == 0) {
      uint4 const all = *reinterpret_cast<uint4 const*>(from);
      to[0] = all.x, to[1] = all.y, to[2] = all.z, to[3] = all.w;
    } else {
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) {
        to[c / 2] |= static_cast<std::uint32_t>(from[c]) << 16 * (c % 2);
      }
    }
  }
};

/// Positions of a tile's rows: which tokens they see.
/// shape    Rows: of a tile; Scores..: whose lanes hold rows own_row(lane, 0 .. own_rows - 1)
template <int Rows, int OwnRows>
struct seen_positions {
  int lowest;   // of all rows
  int horizon;  // positions up to here are out of some row's window
  int own[OwnRows];

  template <class Scores, class P>
  __device__ __forceinline__ void find(attend_args<P> const& args, query_tile const& tile,
                                       int lane) {
    int const last = tile.rows * args.q_per_kv() - 1;
    lowest = 0x7fffffff;
    int highest = -1;
    int const different = tile.rows == 1 ? 1 : Rows;  // one query row: one position
#pragma unroll 1
    for (int row = 0; row < different; ++row) {
      int const pos =
          args.position(tile.first, tile.rows, min(tile.tile * Rows + row, last), tile.length);
      lowest = min(lowest, pos), highest = max(highest, pos);
      OTT_UNROLL
      for (int i = 0; i < Scores::own_rows; ++i) {
        if (row == Scores::own_row(lane, i) || different == 1) own[i] = pos;
      }
    }
    OTT_UNROLL
    for (int i = 0; i < Scores::own_rows; ++i) {
      if (Scores::own_row(lane, i) >= Rows) own[i] = lowest;
    }
    horizon = args.options.sliding_window > 0 ? highest - args.options.sliding_window : -1;
  }
  /// Does every row see all of `tokens` tokens from `begin` on?
  __device__ __forceinline__ bool whole(int begin, int tokens) const {
    return begin + tokens - 1 <= lowest && begin > horizon;
  }
  /// Takes the tokens from `begin` on out of their scores that a row does not see.
  template <class Scores>
  __device__ __forceinline__ void hide(Scores& scores, int begin, attend_options const& options,
                                       int lane) const {
    scores.hide(lane, [&](int i, int token) { return !sees(options, own[i], begin + token); });
  }
};

}  // namespace ott
