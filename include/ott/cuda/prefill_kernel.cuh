#pragma once

#include <concepts>
#include <cstdint>

#include <ott/cuda/chunk_block.cuh>
#include <ott/cuda/hadamard_fragments.cuh>
#include <ott/cuda/part_kernel.cuh>

namespace ott {

namespace detail {

/// Rotates back what groups gave, row tile after row tile.
template <class P, class Block>
__device__ void rotate_back(Block& block, typename Block::fold_type& fold) {
  using fold_type = typename Block::fold_type;
  int const lane = static_cast<int>(threadIdx.x % 32);
  if constexpr (std::same_as<typename P::value_rotation, hadamard>) {
    OTT_UNROLL
    for (int m = 0; m < fold_type::tiles; ++m) rotate_fragments<P::head_dim>(fold.out[m], lane);
    return;
  }
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

/// Writes the outputs of a lane's row: two neighbouring channels of each tile.
template <class T, int Tiles>
__device__ void write_row(T* to, float const (&out)[Tiles][4], int r, int column, float norm) {
  bool const in_pairs = sizeof(T) == 2 && reinterpret_cast<std::uintptr_t>(to) % 4 == 0;
  OTT_UNROLL
  for (int t = 0; t < Tiles; ++t) {
    float const low = out[t][2 * r] * norm, high = out[t][2 * r + 1] * norm;
    T* const at = to + 8 * t + column;
    if constexpr (sizeof(T) == 2) {
      if (in_pairs) *reinterpret_cast<std::uint32_t*>(at) = arch::narrow<T>(low, high);
    }
    if (!in_pairs) {
      at[0] = from_float<T>(low);
      at[1] = from_float<T>(high);
    }
  }
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
    auto const write = [&]<class T>(T* data) {
      std::int64_t const at = row * args.out.token_stride + head * args.out.head_stride;
      write_row(data + at, fold.out[m], r, 2 * (lane % 4), norm);
    };
    if (args.out.kind == scalar_kind::half) write(static_cast<half*>(args.out.data));
    if (args.out.kind == scalar_kind::bf16) write(static_cast<bf16*>(args.out.data));
    if (args.out.kind == scalar_kind::single) write(static_cast<float*>(args.out.data));
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
  /// Can elements and what groups read as be multiplied in one piece?
  static constexpr bool one_piece = std::same_as<typename P::element, half>;
  using block =
      std::conditional_t<one_piece, chunk_block<P, rows, warps>, part_block<P, rows, warps>>;
};

namespace detail {

/// All parts past a tile of rows, groups first, to the output.
template <class P, int Rows, int Warps>
__device__ __forceinline__ void attend_tile(chunk_block<P, Rows, Warps>& block,
                                            attend_args<P> const& args, row_tile const& rows,
                                            sequence_view<P> const& seq) {
  using block_type = chunk_block<P, Rows, Warps>;
  constexpr bool in_fragments = std::same_as<typename P::key_rotation, hadamard>;
  block.take(rows, seq);
  block.place_queries(args, rows, seq.state->length);
  __syncthreads();
  score_rule const rule = score_rule_of(args);
  typename block_type::fold_type fold;
#pragma unroll 1
  for (int part = 0; part < 2; ++part) {
    bool const exact = part != 0;
    if (!exact && !P::key_rotation::identity && !in_fragments) {
      read_rotated_queries(block, args, block.rows, Rows);
    } else if (!exact || !P::key_rotation::identity) {
      block.start_reading_queries(args, block.rows);
    }
    if (in_fragments && !exact) block.rotate_queries();
    block.fold_part(fold, rule, exact);
    if constexpr (!P::value_rotation::identity) {
      if (!exact) rotate_back<P>(block, fold);
    }
  }
  write_rows<P, block_type>(fold, args, block.rows);
}

template <class P, int Rows, int Warps>
__device__ void attend_tile(part_block<P, Rows, Warps>& block, attend_args<P> const& args,
                            row_tile const& rows, sequence_view<P> const& seq) {
  using block_type = part_block<P, Rows, Warps>;
  score_rule const rule = score_rule_of(args);
  head_state<P> const& state = *seq.state;
  block.place_queries(args, rows, state.length);
  typename block_type::fold_type fold;
  if constexpr (P::key_rotation::identity) {
    block.read_raw_queries(args, rows);
    block.fold_groups(fold, seq, rows, rule, 0, state.num_groups);
  } else {
    read_rotated_queries(block, args, rows, Rows);
    block.fold_groups(fold, seq, rows, rule, 0, state.num_groups);
    block.read_raw_queries(args, rows);
  }
  if constexpr (!P::value_rotation::identity) rotate_back<P>(block, fold);
  block.fold_exact(fold, state, rule, 0, state.num_traced + state.window_size());
  write_rows<P, block_type>(fold, args, rows);
}

}  // namespace detail

/// Sequences with many rows: a tile of rows a block, over all parts, straight to the output.
/// shape    grid: sequences x row_tiles x KV heads
template <class P>
__global__ void __launch_bounds__(prefill_shape<P>::threads)
    prefill_kernel(attend_args<P> args, int row_tiles) {
  using shape = prefill_shape<P>;
  extern __shared__ __align__(128) unsigned char shared[];
  auto& block = *reinterpret_cast<typename shape::block*>(shared);
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
  detail::attend_tile(block, args, rows,
                      args.layer.sequence(args.batch.slot[sequence], rows.kv_head));
}

}  // namespace ott
