#pragma once

#include <cstdint>

#include <ott/cuda/part_kernel.cuh>

namespace ott {

namespace detail {

/// Rotates the tile's queries, as many rows at a time as the scratch holds.
template <class P, class Block>
__device__ void read_rotated_queries(Block& block, attend_args<P> const& args,
                                     row_tile const& rows, int num_rows) {
  float* const scratch = block.scratch();
  for (int first = 0; first < num_rows; first += Block::scratch_rows) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < Block::scratch_rows * P::head_dim;
         i += blockDim.x) {
      scratch[i] = Block::raw_query(args, rows, first + i / P::head_dim, i % P::head_dim);
    }
    __syncthreads();
    rotate_rows<typename P::key_rotation, P::head_dim>(scratch, Block::scratch_rows, P::head_dim);
    block.read_queries(first, Block::scratch_rows, [&](int r, int c) {
      return scratch[(r - first) * P::head_dim + c];
    });
  }
  __syncthreads();
}

/// Rotates back what groups gave, warp after warp.
template <class P, class Block>
__device__ void rotate_back(Block& block, row_fold<P>& fold, int warps) {
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = static_cast<int>(threadIdx.x / 32);
  float* const scratch = block.scratch();
  auto const place = [&](int t, int i) -> float& {
    return scratch[(lane / 4 + 8 * (i / 2)) * P::head_dim + 8 * t + 2 * (lane % 4) + i % 2];
  };
  for (int w = 0; w < warps; ++w) {
    __syncthreads();
    OTT_UNROLL
    for (int t = 0; t < row_fold<P>::channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (w == warp) place(t, i) = fold.out[t][i];
      }
    }
    __syncthreads();
    rotate_rows<typename P::value_rotation, P::head_dim>(scratch, 16, P::head_dim);
    OTT_UNROLL
    for (int t = 0; t < row_fold<P>::channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (w == warp) fold.out[t][i] = place(t, i);
      }
    }
  }
  __syncthreads();
}

}  // namespace detail

template <class P>
struct prefill_shape {
  static constexpr int warps = 4;
  static constexpr int rows = 16 * warps;
  static constexpr int threads = 32 * warps;
  using block = part_block<P, rows, warps>;
};

/// Sequences with many rows: a tile of rows a block, over all parts, straight to the output.
/// shape    grid: sequences x row_tiles x KV heads
template <class P>
__global__ void __launch_bounds__(prefill_shape<P>::threads)
    prefill_kernel(attend_args<P> args, int row_tiles) {
  using shape = prefill_shape<P>;
  extern __shared__ __align__(16) unsigned char shared[];
  auto& block = *reinterpret_cast<typename shape::block*>(shared);
  score_rule const rule = detail::score_rule_of(args);
  int const per_kv = args.q_per_kv();
  int const heads = args.layer.num_kv_heads;
  int const work = static_cast<int>(blockIdx.x);
  int const sequence = work / heads % args.batch.count;
  int const tile = row_tiles - 1 - work / (heads * args.batch.count);  // the longest work first
  int const first = args.batch.row_begin[sequence];
  int const num_rows = args.batch.row_begin[sequence + 1] - first;
  int const left = num_rows * per_kv - tile * shape::rows;
  if (left <= 0 || split_rule<P>::few(num_rows, per_kv)) return;
  row_tile const rows{sequence, work % heads, first, num_rows, tile * shape::rows,
                      left < shape::rows ? left : shape::rows};
  sequence_view<P> const seq = args.layer.sequence(args.batch.slot[sequence], rows.kv_head);
  head_state<P> const& state = *seq.state;
  block.place_queries(args, rows, state.length);
  row_fold<P> fold;
  if constexpr (P::key_rotation::identity) {
    block.read_raw_queries(args, rows);
    block.fold_groups(fold, seq, rows, rule, 0, state.num_groups);
  } else {
    detail::read_rotated_queries(block, args, rows, shape::rows);
    block.fold_groups(fold, seq, rows, rule, 0, state.num_groups);
    block.read_raw_queries(args, rows);
  }
  if constexpr (!P::value_rotation::identity) {
    detail::rotate_back<P>(block, fold, shape::warps);
  }
  block.fold_exact(fold, state, rule, 0, state.num_traced + state.window_size());
  fold.finish();
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = static_cast<int>(threadIdx.x / 32);
  OTT_UNROLL
  for (int r = 0; r < 2; ++r) {
    int const own = 16 * warp + lane / 4 + 8 * r;
    if (own >= rows.count) continue;
    int const row = rows.first + (rows.first_row + own) / per_kv;
    int const head = rows.kv_head * per_kv + (rows.first_row + own) % per_kv;
    bool const seen = fold.sum[r] > 0 || fold.sum[r] != fold.sum[r];
    float const norm = seen ? 1.0f / fold.sum[r] : 0.0f;
    OTT_UNROLL
    for (int t = 0; t < row_fold<P>::channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 2; ++i) {
        args.out.store(row, head, 8 * t + 2 * (lane % 4) + i, fold.out[t][2 * r + i] * norm);
      }
    }
    if (args.options.lse != nullptr && lane % 4 == 0) {
      constexpr float ln_2 = 0.6931471805599453f;
      args.options.lse[std::int64_t{row} * args.num_q_heads + head] =
          seen ? fold.maximum[r] * ln_2 + logf(fold.sum[r]) : -infinity();
    }
  }
}

}  // namespace ott
