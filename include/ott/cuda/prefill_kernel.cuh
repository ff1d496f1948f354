#pragma once

#include <cstdint>

#include <ott/cuda/part_kernel.cuh>

namespace ott {

namespace detail {

/// Rotates the tile's queries, as many rows at a time as the scratch holds.
template <class P, class Block>
__device__ void read_rotated_queries(Block& block, attend_args<P> const& args, row_tile const& rows,
                                     int num_rows) {
  float* const scratch = block.scratch();
  for (int first = 0; first < num_rows; first += Block::scratch_rows) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < Block::scratch_rows * P::head_dim;
         i += blockDim.x) {
      int const r = first + i / P::head_dim;
      scratch[i] =
          r < rows.count ? args.q.load_at(Block::query_at(args, rows, r) + i % P::head_dim) : 0.0f;
    }
    __syncthreads();
    rotate_rows<typename P::key_rotation, P::head_dim>(scratch, Block::scratch_rows, P::head_dim);
    block.template read_queries<Block::scratch_rows>(
        first, [&](int r, int c) { return scratch[(r - first) * P::head_dim + c]; });
  }
  __syncthreads();
}

/// Rotates back what groups gave, row tile after row tile.
template <class P, class Block>
__device__ void rotate_back(Block& block, typename Block::fold_type& fold) {
  using fold_type = typename Block::fold_type;
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = static_cast<int>(threadIdx.x / 32);
  float* const scratch = block.scratch();
  auto const each = [&](auto const& act) {
    OTT_UNROLL
    for (int t = 0; t < fold_type::channel_tiles; ++t) {
      OTT_UNROLL
      for (int i = 0; i < 4; ++i) {
        act(scratch[(lane / 4 + 8 * (i / 2)) * P::head_dim + 8 * t + 2 * (lane % 4) + i % 2], t, i);
      }
    }
  };
  for (int w = 0; w < Block::threads / 32; ++w) {
    OTT_UNROLL
    for (int m = 0; m < fold_type::tiles; ++m) {
      __syncthreads();
      if (w == warp) each([&](float& place, int t, int i) { place = fold.out[m][t][i]; });
      __syncthreads();
      rotate_rows<typename P::value_rotation, P::head_dim>(scratch, 16, P::head_dim);
      if (w == warp) each([&](float& place, int t, int i) { fold.out[m][t][i] = place; });
    }
  }
  __syncthreads();
}

/// Divides by the sums and writes outputs and log-sum-exp.
template <class P, class Block>
__device__ void write_rows(typename Block::fold_type& fold, attend_args<P> const& args,
                           row_tile const& rows) {
  using fold_type = typename Block::fold_type;
  fold.finish();
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = static_cast<int>(threadIdx.x / 32);
  int const per_kv = args.q_per_kv();
  OTT_UNROLL
  for (int i = 0; i < 2 * fold_type::tiles; ++i) {
    int const m = i / 2;
    int const r = i % 2;
    int const own = 16 * (fold_type::tiles * warp + m) + lane / 4 + 8 * r;
    if (own >= rows.count) continue;
    int const row = rows.first + (rows.first_row + own) / per_kv;
    int const head = rows.kv_head * per_kv + (rows.first_row + own) % per_kv;
    bool const seen = fold.sum[m][r] != 0;  // a NaN counts
    float const norm = seen ? 1.0f / fold.sum[m][r] : 0.0f;
    OTT_UNROLL
    for (int t = 0; t < fold_type::channel_tiles; ++t) {
      OTT_UNROLL
      for (int c = 0; c < 2; ++c) {
        args.out.store(row, head, 8 * t + 2 * (lane % 4) + c, fold.out[m][t][2 * r + c] * norm);
      }
    }
    if (args.options.lse != nullptr && lane % 4 == 0) {
      constexpr float ln_2 = 0.6931471805599453f;
      args.options.lse[std::int64_t{row} * args.num_q_heads + head] =
          seen ? fold.maximum[m][r] * ln_2 + logf(fold.sum[m][r]) : -infinity();
    }
  }
}

}  // namespace detail

template <class P>
struct prefill_shape {
  static constexpr int warps = 4;
  static constexpr int warp_tiles = P::head_dim <= 128 ? 2 : 1;  // what registers hold
  static constexpr int rows = 16 * warp_tiles * warps;
  static constexpr int threads = 32 * warps;
  using block = part_block<P, rows, warps>;
};

/// Sequences with many rows: a tile of rows a block, over all parts, straight to the output.
/// shape    grid: sequences x row_tiles x KV heads
template <class P>
__global__ void __launch_bounds__(prefill_shape<P>::threads)
    prefill_kernel(attend_args<P> args, int row_tiles) {
  using shape = prefill_shape<P>;
  extern __shared__ __align__(128) unsigned char shared[];
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
  row_tile const rows{sequence, work % heads,       first,
                      num_rows, tile * shape::rows, left < shape::rows ? left : shape::rows};
  sequence_view<P> const seq = args.layer.sequence(args.batch.slot[sequence], rows.kv_head);
  head_state<P> const& state = *seq.state;
  block.place_queries(args, rows, state.length);
  typename shape::block::fold_type fold;
  if constexpr (P::key_rotation::identity) {
    block.read_raw_queries(args, rows);
    block.fold_groups(fold, seq, rows, rule, 0, state.num_groups);
  } else {
    detail::read_rotated_queries(block, args, rows, shape::rows);
    block.fold_groups(fold, seq, rows, rule, 0, state.num_groups);
    block.read_raw_queries(args, rows);
  }
  if constexpr (!P::value_rotation::identity) {
    detail::rotate_back<P>(block, fold);
  }
  block.fold_exact(fold, state, rule, 0, state.num_traced + state.window_size());
  detail::write_rows<P, typename shape::block>(fold, args, rows);
}

}  // namespace ott
