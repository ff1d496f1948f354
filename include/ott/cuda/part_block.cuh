#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/part_tile.cuh>
#include <ott/cuda/row_fold.cuh>
#include <ott/cuda/tile_queries.cuh>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// What one block keeps in shared memory, and the steps that all its threads take together.
/// shape    Rows: 16, and warps share the tokens; or 16 or 32 a warp, and each takes all tokens
/// Few rows are worth a second piece where the queries are more exact than the operand type.
template <class P, int Rows, int Warps>
struct part_block : tile_queries<P, Rows, Rows == 16 ? 2 : part_operand<P>::pieces, 32 * Warps> {
  using base = tile_queries<P, Rows, Rows == 16 ? 2 : part_operand<P>::pieces, 32 * Warps>;
  using base::queries, base::query_pos, base::query_rest, base::threads;
  static constexpr bool splits_tokens = Rows == 16;
  static constexpr int row_tiles = splits_tokens ? 1 : Rows / (16 * Warps);  // of one warp
  static_assert(splits_tokens || Rows == 16 * row_tiles * Warps);
  static constexpr int tile_tokens = part_operand<P>::pieces == 1 && P::head_dim <= 128 ? 64 : 32;
  static constexpr int warp_tokens = splits_tokens ? tile_tokens / Warps : tile_tokens;
  // Two row tiles leave registers for the scores of 32 tokens.
  static constexpr int step_tokens = row_tiles > 1 && warp_tokens > 32 ? 32 : warp_tokens;
  static_assert(step_tokens % 16 == 0);
  using fold_type = row_fold<P, row_tiles>;
  static constexpr int scratch_rows = 16;
  using operand = part_operand<P>;
  static constexpr bool element_rest =
      operand::pieces > 1 && !std::same_as<typename P::element, typename operand::type>;

  // Small blocks wait in shared memory while the block before them is multiplied.
  static constexpr bool stages_blocks =
      !exact_keys<P> && !exact_values<P> && sizeof(group_block<P>) <= 36 * 1024;

  std::conditional_t<stages_blocks, group_block<P>, detail::nothing> staged;
  token_tile<P, tile_tokens> tile;
  float warp_maximum[Warps][16];
  float warp_sum[Warps][16];

  /// Rows of floats in place of the tile, between parts. shape [scratch_rows][D]
  __device__ float* scratch() { return reinterpret_cast<float*>(&tile); }

  /// Folds groups [first_group, last_group) into each warp's state.
  /// requires queries and positions are written; ends with a barrier
  __device__ void fold_groups(fold_type& fold, sequence_view<P> const& seq, row_tile const& rows,
                              score_rule const& rule, int first_group, int last_group) {
    constexpr bool quantized_rest = operand::pieces > 1;
    __syncthreads();
    int low = query_pos[0];
    int high = low;
    for (int r = 1; r < rows.count; ++r) {
      low = min(low, query_pos[r]);
      high = max(high, query_pos[r]);
    }
    auto const next_seen = [&](int group) {
      if (rule.sliding_window > 0) {
        int const unseen = low - rule.sliding_window + 1;  // positions below
        group = max(group, unseen / P::group);
      }
      return group < last_group && group * P::group <= high ? group : last_group;
    };
    int group = next_seen(first_group);
    if (group < last_group) stage(seq, group);
    while (group < last_group) {
      int const next = next_seen(group + 1);
      group_block<P> const& block = current(seq, group);
      arch::wait_copies<0>();
      __syncthreads();
      for (int first = 0; first < P::group; first += tile_tokens) {
        int const left = P::group - first;
        int const count = left < tile_tokens ? left : tile_tokens;
        for (int t = static_cast<int>(threadIdx.x); t < tile_tokens; t += threads) {
          bool const takes_part = t < count && !block.marked(first + t);
          tile.pos[t] = takes_part ? group * P::group + first + t : attend_args<P>::hidden_pos;
          tile.factor[t] = t < count ? block.key_factor(first + t) : 1.0f;
        }
        read_keys(tile.keys, block, first, count);
        read_values(tile.values, block, first, count);
        if (count < tile_tokens) tile.values.clear(count);
        arch::commit_copies();
        arch::wait_copies<0>();
        __syncthreads();
        if (first + tile_tokens >= P::group && next < last_group) stage(seq, next);
        fold_tile(fold, rule,
                  {query_rest || (quantized_rest && !P::key_rotation::identity),
                   exact_keys<P> ? element_rest : quantized_rest,
                   exact_values<P> ? element_rest : quantized_rest});
        __syncthreads();
      }
      group = next;
    }
  }

  /// Folds exact rows [begin, end): traced tokens in their order, then the window.
  __device__ void fold_exact(fold_type& fold, head_state<P> const& state, score_rule const& rule,
                             int begin, int end) {
    int const num_traced = state.num_traced;
    int const window_begin = state.window_begin();
    __syncthreads();
    for (int first = begin; first < end; first += tile_tokens) {
      int const left = end - first;
      int const count = left < tile_tokens ? left : tile_tokens;
      auto const window_pos = [&](int t) { return window_begin + first + t - num_traced; };
      auto const is_traced = [&](int t) { return first + t < num_traced; };
      for (int t = static_cast<int>(threadIdx.x); t < tile_tokens; t += threads) {
        tile.pos[t] = t >= count     ? attend_args<P>::hidden_pos
                      : is_traced(t) ? state.entries[first + t].pos
                                     : window_pos(t);
        tile.factor[t] = 1.0f;
      }
      tile.keys.copy(count, [&](int t) {
        return is_traced(t) ? state.traced_k + (first + t) * P::head_dim
                            : state.window_k + head_state<P>::window_row(window_pos(t));
      });
      tile.values.copy(count, [&](int t) {
        return is_traced(t) ? state.traced_v + (first + t) * P::head_dim
                            : state.window_v + head_state<P>::window_row(window_pos(t));
      });
      if (count < tile_tokens) tile.values.clear(count);
      arch::commit_copies();
      arch::wait_copies<0>();
      __syncthreads();
      fold_tile(fold, rule, {query_rest, element_rest, element_rest});
      __syncthreads();
    }
  }

 private:
  __device__ group_block<P> const& current(sequence_view<P> const& seq, int group) const {
    if constexpr (stages_blocks)
      return staged;
    else
      return seq.block(group);
  }

  /// Starts copying a group's block to shared memory, where it is staged at all.
  __device__ void stage(sequence_view<P> const& seq, int group) {
    if constexpr (stages_blocks) {
      auto const* const from = reinterpret_cast<unsigned char const*>(&seq.block(group));
      auto* const to = reinterpret_cast<unsigned char*>(&staged);
      int const bytes = static_cast<int>(sizeof(group_block<P>));
      for (int i = static_cast<int>(threadIdx.x) * 16; i < bytes; i += threads * 16) {
        arch::copy_async_16(true, to + i, from + i);
      }
      arch::commit_copies();
    }
  }

  __device__ __forceinline__ void fold_tile(fold_type& fold, score_rule const& rule,
                                            piece_use use) {
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const warp = static_cast<int>(threadIdx.x / 32);
    int const row = splits_tokens ? 0 : 16 * row_tiles * warp;
    int const token = splits_tokens ? warp_tokens * warp : 0;
    for (int step = 0; step < warp_tokens; step += step_tokens) {
      fold.template add<step_tokens>(tile, token + step, queries, row, query_pos, rule, use, lane);
    }
  }
};

}  // namespace ott
