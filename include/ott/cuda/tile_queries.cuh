#pragma once

#include <concepts>
#include <cstdint>

#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/part_tile.cuh>

namespace ott {

/// A tile of rows as a block works on it: which ones, and where their sequence stands.
struct row_tile {
  int sequence;
  int kv_head;
  int first;      // query row of the call where the sequence begins
  int rows;       // query rows of the sequence
  int first_row;  // of the tile, counted in query rows times query heads a KV head
  int count;      // rows in use
};

/// The queries of a tile in shared memory, and where they stand.
template <class P, int Rows, int Pieces, int Threads>
struct tile_queries {
  static constexpr int threads = Threads;
  using operand = part_operand<P>;

  operand_rows<P, Rows, Pieces> queries;
  int query_pos[Rows];
  bool query_rest;  // are the queries more than the operand type holds?

  /// Positions of the tile's queries; a row without a query sees nothing.
  /// requires a barrier before they are read
  __device__ void place_queries(attend_args<P> const& args, row_tile const& rows, int length) {
    for (int r = static_cast<int>(threadIdx.x); r < Rows; r += threads) {
      query_pos[r] =
          r < rows.count ? args.position(rows.first, rows.rows, rows.first_row + r, length) : -1;
    }
    if (threadIdx.x == 0) query_rest = args.q.kind != kind_of<typename operand::type>();
  }

  /// Queries into operand rows [first, first + Count); `at(row, channel)` gives them.
  template <int Count, class At>
  __device__ void read_queries(int first, At const& at) {
    constexpr int pairs = P::head_dim / 2;
    constexpr int batch = 8;  // loads under way at once
    for (int begin = static_cast<int>(threadIdx.x); begin < Count * pairs;
         begin += batch * threads) {
      float x[batch][2];
      OTT_UNROLL
      for (int j = 0; j < batch; ++j) {
        int const i = begin + j * threads;
        if (i >= Count * pairs) continue;
        x[j][0] = at(first + i / pairs, i % pairs * 2);
        x[j][1] = at(first + i / pairs, i % pairs * 2 + 1);
      }
      OTT_UNROLL
      for (int j = 0; j < batch; ++j) {
        int const i = begin + j * threads;
        if (i < Count * pairs) queries.put(first + i / pairs, i % pairs * 2, x[j]);
      }
    }
  }

  __device__ void read_raw_queries(attend_args<P> const& args, row_tile const& rows) {
    constexpr int eights = P::head_dim / 8;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < Rows * eights; i += threads) {
      int const r = i / eights, c = i % eights * 8;
      float x[8] = {};
      auto const read = [&]<class Q>(Q const* data) {
        OTT_UNROLL
        for (int j = 0; j < 8; ++j) x[j] = to_float(data[j]);
      };
      if (r < rows.count) {
        std::int64_t const at = query_at(args, rows, r) + c;
        if (args.q.kind == scalar_kind::half) read(static_cast<half const*>(args.q.data) + at);
        if (args.q.kind == scalar_kind::bf16) read(static_cast<bf16 const*>(args.q.data) + at);
        if (args.q.kind == scalar_kind::single) read(static_cast<float const*>(args.q.data) + at);
      }
      queries.put(r, c, x);
    }
  }

  /// The same by asynchronous copies where queries lie as operands do.
  /// requires commit and wait, and a barrier, before they are read
  __device__ void start_reading_queries(attend_args<P> const& args, row_tile const& rows) {
    auto const odd = reinterpret_cast<std::uintptr_t>(args.q.data) % 16 != 0 ||
                     args.q.token_stride % 8 != 0 || args.q.head_stride % 8 != 0;
    if (args.q.kind != kind_of<typename operand::type>() || odd) {
      read_raw_queries(args, rows);
      return;
    }
    auto const* const data = static_cast<typename operand::type const*>(args.q.data);
    constexpr int eights = P::head_dim / 8;
    for (int i = static_cast<int>(threadIdx.x); i < Rows * eights; i += threads) {
      int const r = i / eights, c = i % eights * 8;
      bool const used = r < rows.count;
      arch::copy_async_16_or_zero(used, &queries.items[0][r][c],
                                  data + (used ? query_at(args, rows, r) + c : 0));
    }
  }

  /// Where the query of row `r` begins.
  __device__ static std::int64_t query_at(attend_args<P> const& args, row_tile const& rows, int r) {
    int const per_kv = args.q_per_kv();
    int const row = rows.first_row + r;
    return (rows.first + row / per_kv) * args.q.token_stride +
           (rows.kv_head * per_kv + row % per_kv) * args.q.head_stride;
  }
};

}  // namespace ott
