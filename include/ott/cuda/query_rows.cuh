#pragma once

#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/query_record.hpp>
#include <ott/cuda/split_plan.hpp>

namespace ott {

/// The rows of one tile on their way from memory to a block's query_record, in registers.
template <class P, int Sets, int Threads>
struct query_rows {
  using record = query_record<P, Sets>;
  static constexpr int each = ceil_div(record::eights, Threads);
  static constexpr bool early = each == 1;  // few enough to hold while a split is worked on

  float x[each][8];

  __device__ __forceinline__ void load(attend_args<P> const& args, split_plan const& plan,
                                       group_list<record::rows, Threads / 32> const& list,
                                       split_cursor<record::rows, Threads / 32> const& at,
                                       int thread) {
    int const per_kv = args.q_per_kv(), first = list[at.sequence].first;
    int const last = list.rows(at.sequence) * per_kv;
    float const scale = args.options.scale * 1.4426950408889634f;
    OTT_UNROLL
    for (int k = 0; k < each; ++k) {
      int const eight = k * Threads + thread;
      int const row = at.tile * record::rows + record::row(eight);
      int const channel = record::channel(eight);
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) x[k][c] = 0;
      if (eight >= record::eights || row >= last || channel >= P::head_dim) continue;
      int const q_row = first + row / per_kv, q_head = at.kv_head * per_kv + row % per_kv;
      if constexpr (P::key_rotation::identity) {
        std::int64_t const i = q_row * args.q.token_stride + q_head * args.q.head_stride + channel;
        if (args.q.kind == scalar_kind::half) {
          widen(x[k], static_cast<half const*>(args.q.data) + i);
        } else if (args.q.kind == scalar_kind::bf16) {
          widen(x[k], static_cast<bf16 const*>(args.q.data) + i);
        } else {
          widen(x[k], static_cast<float const*>(args.q.data) + i);
        }
      } else {
        std::int64_t const line = std::int64_t{q_row} * plan.num_q_heads + q_head;
        widen(x[k], plan.rotated + line * P::head_dim + channel);
      }
      OTT_UNROLL
      for (int c = 0; c < 8; ++c) x[k][c] *= scale;
    }
  }
  __device__ __forceinline__ void store(record& to, int thread) const {
    OTT_UNROLL
    for (int k = 0; k < each; ++k) {
      if (k * Threads + thread < record::eights) to.write(k * Threads + thread, x[k]);
    }
  }

 private:
  template <class T>
  __device__ __forceinline__ static void widen(float (&to)[8], T const* from) {
    T raw[8];
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) raw[c] = from[c];
    OTT_UNROLL
    for (int c = 0; c < 8; ++c) to[c] = to_float(raw[c]);
  }
};

/// Positions of a tile's rows: which tokens they see.
template <int Sets>
struct seen_positions {
  int lowest;     // of all rows
  int horizon;    // positions up to here are out of some row's window
  int own[Sets];  // of this lane's rows

  template <class P, int Warps>
  __device__ __forceinline__ void find(attend_args<P> const& args,
                                       group_list<4 * Sets, Warps> const& list,
                                       split_cursor<4 * Sets, Warps> const& at, int lane) {
    listed_sequence const& s = list[at.sequence];
    int const rows = list.rows(at.sequence), last = rows * args.q_per_kv() - 1;
    lowest = 0x7fffffff;
    int highest = -1;
    OTT_UNROLL
    for (int row = 0; row < 4 * Sets; ++row) {
      int const pos = args.position(s.first, rows, min(at.tile * 4 * Sets + row, last), s.length);
      lowest = min(lowest, pos), highest = max(highest, pos);
      if (row % 4 == lane % 4) own[row / 4] = pos;
    }
    horizon = args.options.sliding_window > 0 ? highest - args.options.sliding_window : -1;
  }
};

}  // namespace ott
