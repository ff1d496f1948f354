#pragma once

#include <cstdint>

#include <ott/cuda/part_block.cuh>
#include <ott/cuda/rotate_rows.cuh>
#include <ott/cuda/split_plan.hpp>

// Attention over any part of any policy by 16-bit tensor cores: codes are decoded into shared
// memory.
namespace ott {

namespace detail {

template <class P>
__device__ score_rule score_rule_of(attend_args<P> const& args) {
  return {args.options.scale, args.options.soft_cap, args.options.sliding_window};
}

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

/// Merges the warps' states in their order and leaves the tile's lines.
template <class P, class Block>
__device__ void leave_lines(Block& block, row_fold<P>& fold, split_plan const& plan,
                            attend_args<P> const& args, row_tile const& rows, int split) {
  constexpr int warps = sizeof(block.warp_sum) / sizeof(block.warp_sum[0]);
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const warp = static_cast<int>(threadIdx.x / 32);
  fold.finish();
  OTT_UNROLL
  for (int r = 0; r < 2; ++r) {
    if (lane % 4 != 0) continue;
    block.warp_maximum[warp][lane / 4 + 8 * r] = fold.maximum[0][r];
    block.warp_sum[warp][lane / 4 + 8 * r] = fold.sum[0][r];
  }
  __syncthreads();
  auto const top_of = [&](int row) {
    float top = block.warp_maximum[0][row];
    for (int w = 1; w < warps; ++w) top = fmaxf(top, block.warp_maximum[w][row]);
    return top;
  };
  auto const weight = [&](float maximum, float top) {
    return top > -infinity() ? arch::exp2(maximum - top) : 0.0f;
  };
  float keep[2];
  OTT_UNROLL
  for (int r = 0; r < 2; ++r) keep[r] = weight(fold.maximum[0][r], top_of(lane / 4 + 8 * r));
  fold.rescale(0, keep);
  float* const sums = block.scratch();
  for (int w = 0; w < warps; ++w) {
    if (w == warp) {
      OTT_UNROLL
      for (int t = 0; t < row_fold<P>::channel_tiles; ++t) {
        OTT_UNROLL
        for (int i = 0; i < 4; ++i) {
          float& to = sums[(lane / 4 + 8 * (i / 2)) * P::head_dim + 8 * t + 2 * (lane % 4) + i % 2];
          to = w == 0 ? fold.out[0][t][i] : to + fold.out[0][t][i];
        }
      }
    }
    __syncthreads();
  }
  int const per_kv = args.q_per_kv();
  auto const line_of = [&](int r) {
    int const row = rows.first_row + r;
    return plan.line(rows.sequence, rows.rows, split, row / per_kv,
                     rows.kv_head * per_kv + row % per_kv);
  };
  for (int i = static_cast<int>(threadIdx.x); i < rows.count * P::head_dim; i += blockDim.x) {
    plan.out[line_of(i / P::head_dim) * P::head_dim + i % P::head_dim] = sums[i];
  }
  for (int r = static_cast<int>(threadIdx.x); r < rows.count; r += blockDim.x) {
    float const top = top_of(r);
    float sum = 0;
    for (int w = 0; w < warps; ++w) {
      sum += weight(block.warp_maximum[w][r], top) * block.warp_sum[w][r];
    }
    std::int64_t const line = line_of(r);
    plan.state[2 * line] = top;
    plan.state[2 * line + 1] = sum;
  }
  __syncthreads();  // the next piece of work writes the tile
}

}  // namespace detail

inline constexpr int split_rows = 16;  // of a tile

template <class P>
struct split_shape {
  static constexpr int warps = part_block<P, split_rows, 2>::tile_tokens / 16;
  static constexpr int threads = 32 * warps;
  using block = part_block<P, split_rows, warps>;
};

/// Splits of sequences with few rows: exact rows first, then runs of groups. Leaves lines.
/// shape    exact_tiles: 16-row tiles of the longest such sequence
template <class P>
__global__ void __launch_bounds__(split_shape<P>::threads)
    split_kernel(attend_args<P> args, split_plan plan, int exact_tiles) {
  using rule_type = split_rule<P>;
  using block_type = typename split_shape<P>::block;
  extern __shared__ __align__(128) unsigned char shared[];
  auto& block = *reinterpret_cast<block_type*>(shared);
  score_rule const rule = detail::score_rule_of(args);
  int const per_kv = args.q_per_kv();
  int const heads = args.layer.num_kv_heads;
  int const num_exact = args.batch.count * exact_tiles * heads * rule_type::exact_splits;
  int const num_groups = plan.work_begin[args.batch.count] * heads;
  for (int i = static_cast<int>(blockIdx.x); i < num_exact + num_groups; i += gridDim.x) {
    bool const exact = i < num_exact;
    split_item item{};
    if (exact) {
      item.kv_head = i % heads;
      item.split = i / heads % rule_type::exact_splits;
      int const tile = i / (heads * rule_type::exact_splits);
      item.sequence = tile / exact_tiles;
      item.first_row = tile % exact_tiles * split_rows;
      item.rows = args.batch.row_begin[item.sequence + 1] - args.batch.row_begin[item.sequence];
      int const left = item.rows * per_kv - item.first_row;
      item.tile_rows = left < split_rows ? left : split_rows;
      if (left <= 0 || !rule_type::few(item.rows, per_kv)) continue;
    } else {
      item = find_split<P, split_rows>(plan, args.layer, args.batch, i - num_exact);
    }
    row_tile const rows{item.sequence, item.kv_head,   args.batch.row_begin[item.sequence],
                        item.rows,     item.first_row, item.tile_rows};
    sequence_view<P> const seq = args.layer.sequence(args.batch.slot[item.sequence], item.kv_head);
    block.place_queries(args, rows, seq.state->length);
    if (exact || P::key_rotation::identity) {
      block.read_raw_queries(args, rows);
    } else {
      detail::read_rotated_queries(block, args, rows, split_rows);
    }
    row_fold<P> fold;
    int split = item.split;
    if (exact) {
      int const tokens = seq.state->num_traced + seq.state->window_size();
      int const begin = item.split * rule_type::exact_tokens;
      int const end = begin + rule_type::exact_tokens;
      block.fold_exact(fold, *seq.state, rule, begin, end < tokens ? end : tokens);
      split += rule_type::group_splits(seq.state->num_groups, plan.run[item.sequence]);
    } else {
      block.fold_groups(fold, seq, rows, rule, item.first_group, item.last_group);
    }
    detail::leave_lines<P>(block, fold, plan, args, rows, split);
  }
}

}  // namespace ott
