#pragma once

#include <cstdint>

#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/part_tile.cuh>
#include <ott/cuda/row_fold.cuh>
#include <ott/layout/layer_view.hpp>

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

/// What one block keeps in shared memory, and the steps that all its threads take together.
/// shape    Rows: 16, and warps share the tokens; or 16 a warp, and each takes all tokens
template <class P, int Rows, int Warps>
struct part_block {
  static constexpr bool splits_tokens = Rows == 16;
  static_assert(splits_tokens || Rows == 16 * Warps);
  static constexpr int tile_tokens =
      part_operand<P>::pieces == 1 && P::head_dim <= 128 ? 64 : 32;
  static constexpr int warp_tokens = splits_tokens ? tile_tokens / Warps : tile_tokens;
  static_assert(warp_tokens % 16 == 0);
  static constexpr int scratch_rows = 16;
  using operand = part_operand<P>;
  static constexpr bool element_rest =
      operand::pieces > 1 && !std::same_as<typename P::element, typename operand::type>;

  token_tile<P, tile_tokens> tile;
  query_tile<P, Rows> queries;
  int query_pos[Rows];
  bool query_rest;  // are the queries more than the operand type holds?
  float warp_maximum[Warps][16];
  float warp_sum[Warps][16];

  /// Rows of floats in place of the tile, between parts. shape [scratch_rows][D]
  __device__ float* scratch() { return reinterpret_cast<float*>(&tile); }

  /// Positions of the tile's queries; a row without a query sees nothing.
  /// requires a barrier before they are read
  __device__ void place_queries(attend_args<P> const& args, row_tile const& rows, int length) {
    for (int r = static_cast<int>(threadIdx.x); r < Rows; r += blockDim.x) {
      query_pos[r] = r < rows.count
                         ? args.position(rows.first, rows.rows, rows.first_row + r, length)
                         : -1;
    }
    if (threadIdx.x == 0) query_rest = args.q.kind != kind_of<typename operand::type>();
  }

  /// Queries into operand rows [first, first + count); `at(row, channel)` gives them.
  template <class At>
  __device__ void read_queries(int first, int count, At const& at) {
    constexpr int pairs = P::head_dim / 2;
    for (int i = static_cast<int>(threadIdx.x); i < count * pairs; i += blockDim.x) {
      int const row = first + i / pairs;
      int const channel = i % pairs * 2;
      queries.put(row, channel, {at(row, channel), at(row, channel + 1)});
    }
  }

  __device__ void read_raw_queries(attend_args<P> const& args, row_tile const& rows) {
    read_queries(0, Rows, [&](int r, int c) { return raw_query(args, rows, r, c); });
  }

  __device__ static float raw_query(attend_args<P> const& args, row_tile const& rows, int r, int c) {
    if (r >= rows.count) return 0;
    int const per_kv = args.q_per_kv();
    int const row = rows.first_row + r;
    return args.q.load(rows.first + row / per_kv, rows.kv_head * per_kv + row % per_kv, c);
  }

  /// Folds groups [first_group, last_group) into each warp's state.
  /// requires queries and positions are written; ends with a barrier
  __device__ void fold_groups(row_fold<P>& fold, sequence_view<P> const& seq, row_tile const& rows,
                              score_rule const& rule, int first_group, int last_group) {
    constexpr bool quantized_rest = operand::pieces > 1;
    __syncthreads();
    int low = query_pos[0];
    int high = low;
    for (int r = 1; r < rows.count; ++r) {
      low = min(low, query_pos[r]);
      high = max(high, query_pos[r]);
    }
    for (int group = first_group; group < last_group; ++group) {
      if (group * P::group > high) break;
      int const last_pos = (group + 1) * P::group - 1;
      if (rule.sliding_window > 0 && last_pos <= low - rule.sliding_window) continue;
      group_block<P> const& block = seq.block(group);
      for (int first = 0; first < P::group; first += tile_tokens) {
        int const left = P::group - first;
        int const count = left < tile_tokens ? left : tile_tokens;
        for (int t = static_cast<int>(threadIdx.x); t < tile_tokens; t += blockDim.x) {
          bool const takes_part = t < count && !block.marked(first + t);
          tile.pos[t] =
              takes_part ? group * P::group + first + t : attend_args<P>::hidden_pos;
          tile.factor[t] = t < count ? block.key_factor(first + t) : 1.0f;
        }
        read_keys(tile.keys, block, first, count);
        read_values(tile.values, block, first, count);
        if (count < tile_tokens) tile.values.clear(count);
        __syncthreads();
        fold_tile(fold, rule,
                  {query_rest || (quantized_rest && !P::key_rotation::identity),
                   exact_keys<P> ? element_rest : quantized_rest,
                   exact_values<P> ? element_rest : quantized_rest});
        __syncthreads();
      }
    }
  }

  /// Folds exact rows [begin, end): traced tokens in their order, then the window.
  __device__ void fold_exact(row_fold<P>& fold, head_state<P> const& state, score_rule const& rule,
                             int begin, int end) {
    __syncthreads();
    for (int first = begin; first < end; first += tile_tokens) {
      int const left = end - first;
      int const count = left < tile_tokens ? left : tile_tokens;
      auto const window_pos = [&](int t) {
        return state.window_begin() + first + t - state.num_traced;
      };
      auto const is_traced = [&](int t) { return first + t < state.num_traced; };
      for (int t = static_cast<int>(threadIdx.x); t < tile_tokens; t += blockDim.x) {
        tile.pos[t] = t >= count        ? attend_args<P>::hidden_pos
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
      __syncthreads();
      fold_tile(fold, rule, {query_rest, element_rest, element_rest});
      __syncthreads();
    }
  }

 private:
  __device__ __forceinline__ void fold_tile(row_fold<P>& fold, score_rule const& rule,
                                            piece_use use) {
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const warp = static_cast<int>(threadIdx.x / 32);
    int const row = splits_tokens ? 0 : 16 * warp;
    int const token = splits_tokens ? warp_tokens * warp : 0;
    int const pos[2] = {query_pos[row + lane / 4], query_pos[row + lane / 4 + 8]};
    fold.template add<warp_tokens>(tile, token, queries, row, pos, rule, use, lane);
  }
};

}  // namespace ott
