#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <ott/core/bits.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/chunk_fold.cuh>
#include <ott/cuda/hadamard_fragments.cuh>
#include <ott/cuda/pair_reader.cuh>
#include <ott/cuda/part_tile.cuh>
#include <ott/cuda/row_fold.cuh>
#include <ott/cuda/tile_queries.cuh>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// Tokens that a block multiplies at once: of a group, from token `first` on; or exact rows.
struct token_run {
  int group;  // -1: traced tokens in their order, then the window
  int first;
  int count;  // 0: no more
};

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
  using tile_rows = operand_rows<P, tile_tokens, 1>;
  static constexpr int scratch_rows = 16;
  // Small halves wait in shared memory while what lies before them is multiplied.
  static constexpr bool small = sizeof(group_block<P>) <= 28 * 1024;
  static constexpr bool stages_keys = !exact_keys<P> && small;
  static constexpr bool stages_values = !exact_values<P> && small;

  tile_rows keys;
  tile_rows values;
  std::conditional_t<stages_keys || stages_values, group_block<P>, detail::nothing> staged;
  alignas(16) std::uint32_t marks[round_up(P::group / 32, 4)];  // of the group of `keys`
  alignas(16) float factor[tile_tokens];
  alignas(16) int pos[tile_tokens];  // hidden_pos: takes no part
  int plain;                         // does every row see every token of the run?
  int lowest, highest;               // position of a row
  row_tile rows;                     // here rather than in registers, as is the sequence
  sequence_view<P> seq;

  /// requires a barrier before anything else
  __device__ void take(row_tile const& tile, sequence_view<P> const& sequence) {
    if (threadIdx.x != 0) return;
    rows = tile;
    seq = sequence;
  }

  /// Rows of floats in place of keys and values, between parts. shape [scratch_rows][D]
  __device__ float* scratch() { return reinterpret_cast<float*>(&keys); }

  /// Rotates the queries, each warp its own, once they are there.
  __device__ void rotate_queries() {
    arch::commit_copies();
    arch::wait_copies<0>();
    __syncthreads();
    for (int m = 0; m < row_tiles; ++m) {
      rotate_operands<P>(queries, 16 * (row_tiles * warp() + m),
                         static_cast<int>(threadIdx.x % 32));
    }
  }

  /// Folds all groups, or all exact rows, of which some row may see something.
  /// requires queries and positions are written or on their way; ends with a barrier
  __device__ __forceinline__ void fold_part(fold_type& fold, score_rule const& rule, bool exact) {
    constexpr float log2_e = 1.4426950408889634f;
    float const unit = (rule.soft_cap > 0 ? 1.0f : fabsf(rule.scale)) * log2_e;
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const row = 16 * row_tiles * static_cast<int>(threadIdx.x / 32);
    arch::commit_copies();
    arch::wait_copies<0>();
    __syncthreads();
    find_range(lane);
    __syncthreads();
    token_run now = exact ? exact_run(0) : run_at(-1, P::group, rule);
    if (now.count == 0) return;
    stage_keys(now);
    stage_values(now);
    arch::commit_copies();
    arch::wait_copies<0>();
    __syncthreads();
    start_keys(now);
    read_run_keys(now);
    place(now, rule);
    arch::commit_copies();
    arch::wait_copies<0>();
    __syncthreads();
    while (now.count > 0) {
      token_run const next = next_run(now, rule);
      bool const turns = next.count > 0 && next.group != now.group;
      if (turns) stage_keys(next);
      start_values(now);
      read_run_values(now);
      arch::commit_copies();
      fold.multiply_keys(queries, row, keys, lane);
      adjust(fold, rule, row, lane);
      fold.raise(unit);
      arch::wait_copies<0>();
      __syncthreads();
      if (turns) stage_values(next);
      start_keys(next);
      arch::commit_copies();
      fold.multiply_values(values, unit, lane);
      read_run_keys(next);
      place(next, rule);
      arch::wait_copies<0>();
      __syncthreads();
      now = next;
    }
  }

 private:
  __device__ void find_range(int lane) {
    if (warp() != 0) return;
    int low = 0x7fffffff, high = -1;
    for (int r = lane; r < rows.count; r += 32) {
      low = min(low, query_pos[r]);
      high = max(high, query_pos[r]);
    }
    lowest = __reduce_min_sync(0xffffffffu, low);
    highest = __reduce_max_sync(0xffffffffu, high);
  }

  /// The run that begins at token `first` of a group, or of the next group that a row sees.
  __device__ token_run run_at(int group, int first, score_rule const& rule) const {
    if (first < P::group) return {group, first, min(tile_tokens, P::group - first)};
    ++group;
    if (rule.sliding_window > 0) {
      group = max(group, (lowest - rule.sliding_window + 1) / P::group);
    }
    bool const none = group >= seq.state->num_groups || group * P::group > highest;
    return {group, 0, none ? 0 : min(tile_tokens, P::group)};
  }
  __device__ token_run exact_run(int first) const {
    int const tokens = seq.state->num_traced + seq.state->window_size();
    return {-1, first, min(tile_tokens, tokens - first)};
  }
  __device__ token_run next_run(token_run const& now, score_rule const& rule) const {
    int const first = now.first + tile_tokens;
    if (now.group >= 0) return run_at(now.group, first, rule);
    token_run next = exact_run(first);
    next.count = max(next.count, 0);
    return next;
  }

  template <int Bytes>
  __device__ static void copy_bytes(void* to, void const* from) {
    static_assert(Bytes % 16 == 0);
    for (int i = static_cast<int>(threadIdx.x) * 16; i < Bytes; i += threads * 16) {
      arch::copy_async_16(true, static_cast<unsigned char*>(to) + i,
                          static_cast<unsigned char const*>(from) + i);
    }
  }
  __device__ void stage_keys(token_run const& run) {
    if (run.group < 0) return;
    group_block<P> const& block = seq.block(run.group);
    if constexpr (stages_keys) copy_bytes<sizeof(key_half<P>)>(&staged.k, &block.k);
    copy_bytes<sizeof(marks)>(marks, block.v.marks);
  }
  __device__ void stage_values(token_run const& run) {
    if (run.group < 0) return;
    if constexpr (stages_values)
      copy_bytes<sizeof(value_half<P>)>(&staged.v, &seq.block(run.group).v);
  }
  template <bool Staged>
  __device__ group_block<P> const& block_of(token_run const& run) const {
    if constexpr (Staged)
      return staged;
    else
      return seq.block(run.group);
  }

  /// Where exact row `t` of a run lies among rows of traced tokens and of the window.
  __device__ static typename P::element const* exact_row(head_state<P> const& state,
                                                         token_run const& run, int t,
                                                         typename P::element const* traced,
                                                         typename P::element const* window) {
    int const i = run.first + t;
    if (i < state.num_traced) return traced + i * P::head_dim;
    return window + head_state<P>::window_row(state.window_begin() + i - state.num_traced);
  }
  /// Starts copying what lies as it is multiplied.
  __device__ void start_keys(token_run const& run) {
    head_state<P> const& state = *seq.state;
    if (run.group < 0) {
      keys.copy(run.count,
                [&](int t) { return exact_row(state, run, t, state.traced_k, state.window_k); });
    } else if constexpr (exact_keys<P>) {
      if (run.count == 0) return;
      auto const* const from = seq.block(run.group).key_codes();
      keys.copy(run.count, [&](int t) { return from + (run.first + t) * P::head_dim; });
    }
  }
  __device__ void start_values(token_run const& run) {
    head_state<P> const& state = *seq.state;
    if (run.group < 0) {
      values.copy(run.count,
                  [&](int t) { return exact_row(state, run, t, state.traced_v, state.window_v); });
    } else if constexpr (exact_values<P>) {
      auto const* const from = seq.block(run.group).value_codes();
      values.copy(run.count, [&](int t) { return from + (run.first + t) * P::head_dim; });
    }
    if (run.count < tile_tokens) values.clear(run.count);
  }

  /// Decodes what does not.
  __device__ __forceinline__ void read_run_keys(token_run const& run) {
    if (run.group < 0 || run.count == 0) return;
    if constexpr (!exact_keys<P>) {
      auto const& block = block_of<stages_keys>(run);
      if constexpr (detail::keys_in_pairs<P>) {
        using reader = key_pair_reader<P, tile_tokens>;
        for (int job = warp(); job < reader::jobs(run.count); job += Warps) {
          reader::read(keys, block, run.first, job, static_cast<int>(threadIdx.x % 32));
        }
      } else {
        read_keys(keys, block, run.first, run.count);
      }
    }
  }
  __device__ __forceinline__ void read_run_values(token_run const& run) {
    if (run.group < 0) return;
    if constexpr (!exact_values<P>) {
      auto const& block = block_of<stages_values>(run);
      if constexpr (detail::values_in_pairs<P>) {
        using reader = value_pair_reader<P, tile_tokens>;
        for (int job = warp(); job < reader::jobs(run.count); job += Warps) {
          reader::read(values, block, run.first, job, static_cast<int>(threadIdx.x % 32));
        }
      } else {
        read_values(values, block, run.first, run.count);
      }
    }
  }
  __device__ static int warp() { return static_cast<int>(threadIdx.x / 32); }

  /// Where the run's tokens stand, and what their scores are multiplied by.
  __device__ void place(token_run const& run, score_rule const& rule) {
    int const t = static_cast<int>(threadIdx.x);
    if (run.count == 0 || t >= tile_tokens) return;
    head_state<P> const& state = *seq.state;
    int const i = run.first + t;
    bool const here = t < run.count;
    if (run.group < 0) {
      pos[t] = !here                  ? attend_args<P>::hidden_pos
               : i < state.num_traced ? state.entries[i].pos
                                      : state.window_begin() + i - state.num_traced;
      if constexpr (P::key_factor::present) factor[t] = 1.0f;
      if (t == 0) plain = 0;
      return;
    }
    bool const marked = here && (marks[i / 32] >> i % 32 & 1u) != 0;
    int const begin = run.group * P::group + run.first;
    pos[t] = here && !marked ? begin + t : attend_args<P>::hidden_pos;
    if constexpr (P::key_factor::present) {
      factor[t] = here ? block_of<stages_keys>(run).key_factor(i) : 1.0f;
    }
    if (t != 0) return;
    std::uint32_t any = 0;
    OTT_UNROLL
    for (int w = 0; w < tile_tokens / 32; ++w) {
      if (32 * w < run.count) any |= marks[run.first / 32 + w];
    }
    bool const late = begin + tile_tokens - 1 > lowest;
    bool const early = rule.sliding_window > 0 && begin <= highest - rule.sliding_window;
    plain = run.count == tile_tokens && any == 0 && !late && !early;
  }

  /// Factors, soft cap and what rows do not see.
  __device__ __forceinline__ void adjust(fold_type& fold, score_rule const& rule, int row,
                                         int lane) const {
    if constexpr (P::key_factor::present) {
      fold.each_score(lane, [&](float& s, int, int, int token) { s *= factor[token]; });
    }
    if (rule.soft_cap > 0) {
      float const by = rule.scale / rule.soft_cap;
      fold.each_score(lane,
                      [&](float& s, int, int, int) { s = rule.soft_cap * arch::tanh(s * by); });
    } else if (rule.scale < 0) {
      fold.each_score(lane, [&](float& s, int, int, int) { s = -s; });
    }
    if (plain != 0) return;
    int at[row_tiles][2];
    OTT_UNROLL
    for (int i = 0; i < 2 * row_tiles; ++i) {
      at[i / 2][i % 2] = query_pos[row + 16 * (i / 2) + lane / 4 + 8 * (i % 2)];
    }
    fold.each_score(lane, [&](float& s, int m, int r, int token) {
      if (!rule.sees(at[m][r], pos[token])) s = -infinity();
    });
  }
};

}  // namespace ott
