#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/view.hpp>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// What may differ from call to call; every default is plain causal attention.
struct attend_options {
  float scale = 0;                      // of q.k before softmax; 0: 1 / sqrt(head_dim)
  float soft_cap = 0;                   // logits become cap * tanh(s / cap); 0: none
  int sliding_window = 0;               // a query at i sees positions > i - sliding_window; 0: all
  std::int32_t const* q_pos = nullptr;  // [rows]: positions of the queries, where the backend
                                        // computes; null: the last rows of each sequence
  float* lse = nullptr;                 // [rows, q_heads]: natural log-sum-exp of the scaled scores
};

/// One attention call over one layer, as a backend receives it: checked, by value. What a device
/// alone knows is not: a workspace that was not cleared loses splits. A sequence with more than
/// max_groups groups may be one split: right up to 128 groups, and no harm to others past them.
/// shape    q, out: [rows, q_heads, head_dim]; rows of sequence i as in the batch
template <class P, class Q>
struct attend_call {
  layer_view<P> layer;
  batch_view batch;
  view<Q const> q;
  view<Q> out;
  attend_options options;
  int max_groups;   // no sequence of the batch has more groups, now or while a graph is replayed
  void* workspace;  // its first workspace_cleared_bytes were zero before the first call that got it
  std::size_t workspace_bytes;
};

/// Calls leave these bytes of a workspace zero. A call that fails in the midst may not.
inline constexpr std::size_t workspace_cleared_bytes = 128;

/// Position of query row `row` (counted inside its sequence), when the sequence has `length`
/// tokens.
OTT_HD constexpr int query_position(attend_options const& options, int first_row, int num_rows,
                                    int row, int length) {
  return options.q_pos != nullptr ? options.q_pos[first_row + row] : length - num_rows + row;
}

/// Does the query at `query_pos` see the key at `pos`?
OTT_HD constexpr bool sees(attend_options const& options, int query_pos, int pos) {
  return pos <= query_pos &&
         (options.sliding_window <= 0 || pos > query_pos - options.sliding_window);
}

}  // namespace ott
