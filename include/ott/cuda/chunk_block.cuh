#pragma once

#include <cstdint>

#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/chunk_fold.cuh>
#include <ott/cuda/chunk_tokens.cuh>
#include <ott/cuda/hadamard_fragments.cuh>
#include <ott/cuda/row_fold.cuh>
#include <ott/cuda/tile_queries.cuh>

namespace ott {

/// A block that takes all tokens of one part past its rows, 16 or 32 a warp. While scores of a run
/// are multiplied its values are read, and while values are the next run's keys.
/// requires P's elements are what tensor cores multiply
template <class P, int Rows, int Warps>
struct chunk_block : tile_queries<P, Rows, 1, 32 * Warps> {
  using base = tile_queries<P, Rows, 1, 32 * Warps>;
  using base::queries, base::query_pos, base::threads;
  static constexpr int row_tiles = Rows / (16 * Warps);  // of one warp
  static_assert(Rows == 16 * row_tiles * Warps);
  static constexpr int tile_tokens = P::head_dim <= 128 && P::group >= 64 ? 64 : 32;
  using fold_type = chunk_fold<P, row_tiles, tile_tokens>;
  static constexpr int scratch_rows = 16;

  chunk_tokens<P, tile_tokens, Warps> tokens;
  row_tile rows;  // here rather than in registers

  /// requires a barrier before anything else
  __device__ void take(row_tile const& tile, sequence_view<P> const& sequence) {
    if (threadIdx.x != 0) return;
    rows = tile;
    tokens.seq = sequence;
  }

  /// Rows of floats in place of keys and values, between parts. shape [scratch_rows][D]
  __device__ float* scratch() { return reinterpret_cast<float*>(&tokens); }

  /// Rotates the queries, each warp its own, once they are there.
  __device__ void rotate_queries() {
    copied();
    for (int m = 0; m < row_tiles; ++m) rotate_operands<P>(queries, first_row() + 16 * m, lane());
  }

  /// Folds all groups, or all exact rows, of which some row may see something.
  /// requires queries and positions are written or on their way; ends with a barrier
  __device__ __forceinline__ void fold_part(fold_type& fold, score_rule const& rule, bool exact) {
    constexpr float log2_e = 1.4426950408889634f;
    float const unit = (rule.soft_cap > 0 ? 1.0f : fabsf(rule.scale)) * log2_e;
    copied();
    if (threadIdx.x < 32) find_range(rule);
    __syncthreads();
    token_run now = exact ? tokens.exact_run(0) : tokens.run_at(-1, P::group);
    if (now.count == 0) return;
    tokens.stage_keys(now);
    tokens.stage_values(now);
    copied();
    tokens.start_keys(now);
    tokens.decode_keys(now);
    tokens.place(now);
    copied();
    while (now.count > 0) {
      token_run const next = tokens.next_run(now);
      bool const turns = next.count > 0 && next.group != now.group;
      if (turns) tokens.stage_keys(next);
      tokens.start_values(now);
      arch::commit_copies();
      tokens.decode_values(now);
      fold.multiply_keys(queries, first_row(), tokens.keys, lane());
      adjust(fold, rule);
      fold.raise(unit);
      copied();
      if (turns) tokens.stage_values(next);
      tokens.start_keys(next);
      arch::commit_copies();
      fold.multiply_values(tokens.values, unit, lane());
      tokens.decode_keys(next);
      tokens.place(next);
      copied();
      now = next;
    }
  }

 private:
  __device__ static int lane() { return static_cast<int>(threadIdx.x % 32); }
  __device__ static int first_row() { return 16 * row_tiles * static_cast<int>(threadIdx.x / 32); }

  /// What any thread has written or begun to copy is there for all.
  __device__ static void copied() {
    arch::commit_copies();
    arch::wait_copies<0>();
    __syncthreads();
  }

  __device__ void find_range(score_rule const& rule) {
    int low = 0x7fffffff, high = -1;
    for (int r = lane(); r < rows.count; r += 32) {
      low = min(low, query_pos[r]);
      high = max(high, query_pos[r]);
    }
    low = __reduce_min_sync(0xffffffffu, low);
    high = __reduce_max_sync(0xffffffffu, high);
    if (threadIdx.x == 0) tokens.range = {low, high, rule.sliding_window};
  }

  /// Factors, soft cap and what rows do not see.
  __device__ __forceinline__ void adjust(fold_type& fold, score_rule const& rule) const {
    if constexpr (P::key_factor::present) {
      fold.each_score(lane(), [&](float& s, int, int, int token) { s *= tokens.factor[token]; });
    }
    if (rule.soft_cap > 0) {
      float const by = rule.scale / rule.soft_cap;
      fold.each_score(lane(),
                      [&](float& s, int, int, int) { s = rule.soft_cap * arch::tanh(s * by); });
    } else if (rule.scale < 0) {
      fold.each_score(lane(), [&](float& s, int, int, int) { s = -s; });
    }
    if (tokens.plain != 0) return;
    int at[row_tiles][2];
    OTT_UNROLL
    for (int i = 0; i < 2 * row_tiles; ++i) {
      at[i / 2][i % 2] = query_pos[first_row() + 16 * (i / 2) + lane() / 4 + 8 * (i % 2)];
    }
    fold.each_score(lane(), [&](float& s, int m, int r, int token) {
      if (!rule.sees(at[m][r], tokens.pos[token])) s = -infinity();
    });
  }
};

}  // namespace ott
