#pragma once

#include <cmath>
#include <memory>

#include <ott/algo/attend_options.hpp>
#include <ott/core/scalar.hpp>
#include <ott/host/softmax_state.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// The tokens of one part in fp32, ready to be folded.
/// shape    key, value: [size, head_dim]; pos, taken: [size]
template <class P>
struct attention_part {
  static constexpr int capacity =
      window_capacity<P> > traced_capacity<P> ? window_capacity<P> : traced_capacity<P>;
  int size = 0;
  int pos[capacity];
  bool takes_part[capacity];
  float key[capacity][P::head_dim];
  float value[capacity][P::head_dim];
};

/// A quantized group: rows as they read, in the rotated space. Marked tokens take no part.
template <class P>
void read_group(attention_part<P>& part, group_block<P> const& block, int group) {
  part.size = P::group;
  for (int t = 0; t < P::group; ++t) {
    part.pos[t] = group * P::group + t;
    part.takes_part[t] = !block.marked(t);
    for (int c = 0; c < P::head_dim; ++c) {
      part.key[t][c] = block.key(t, c);
      part.value[t][c] = block.value(t, c);
    }
  }
}

template <class P>
void read_row(attention_part<P>& part, int i, int pos, typename P::element const* key,
              typename P::element const* value) {
  part.pos[i] = pos;
  part.takes_part[i] = true;
  for (int c = 0; c < P::head_dim; ++c) {
    part.key[i][c] = to_float(key[c]);
    part.value[i][c] = to_float(value[c]);
  }
}

/// Both pools: exact rows of traced tokens.
template <class P>
void read_pools(attention_part<P>& part, head_state<P> const& state) {
  part.size = state.num_traced;
  for (int e = 0; e < state.num_traced; ++e) {
    int const at = e * P::head_dim;
    read_row(part, e, state.entries[e].pos, state.traced_k + at, state.traced_v + at);
  }
}

/// The newest tokens, exact.
template <class P>
void read_window(attention_part<P>& part, head_state<P> const& state) {
  part.size = state.window_size();
  for (int i = 0; i < part.size; ++i) {
    int const pos = state.window_begin() + i;
    int const at = head_state<P>::window_row(pos);
    read_row(part, i, pos, state.window_k + at, state.window_v + at);
  }
}

/// One query row of one head, in fp32.
template <class P>
struct attention_query {
  int pos;
  float row[P::head_dim];      // as it came
  float rotated[P::head_dim];  // as groups want it
  softmax_state<P::head_dim> groups;
  softmax_state<P::head_dim> exact;
};

/// Folds one part into one query's state, token by token.
template <class P>
void fold(softmax_state<P::head_dim>& state, attention_part<P> const& part, int pos,
          float const* query, float scale, attend_options const& options) {
  for (int t = 0; t < part.size; ++t) {
    if (!part.takes_part[t] || !sees(options, pos, part.pos[t])) continue;
    float score = 0;
    for (int c = 0; c < P::head_dim; ++c) score += query[c] * part.key[t][c];
    score *= scale;
    if (options.soft_cap > 0) score = options.soft_cap * std::tanh(score / options.soft_cap);
    state.add(score, part.value[t]);
  }
}

/// Attention of all queries of one sequence that share one KV head: groups, pools, window, merged.
/// source   docs/method.md, Attention
template <class P, class Q>
void attend_head(attend_call<P, Q> const& call, int sequence, int kv_head) {
  int const first = call.batch.row_begin[sequence];
  int const num_rows = call.batch.row_begin[sequence + 1] - first;
  int const q_per_kv = call.q.heads / call.layer.num_kv_heads;
  sequence_view<P> const seq = call.layer.sequence(call.batch.slot[sequence], kv_head);
  head_state<P> const& state = *seq.state;
  float const scale = call.options.scale != 0 ? call.options.scale
                                              : 1.0f / std::sqrt(static_cast<float>(P::head_dim));
  int const count = num_rows * q_per_kv;
  auto const queries = std::make_unique<attention_query<P>[]>(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    attention_query<P>& query = queries[i];
    query.pos = query_position(call.options, first, num_rows, i / q_per_kv, state.length);
    Q const* const raw = call.q.row(first + i / q_per_kv, kv_head * q_per_kv + i % q_per_kv);
    for (int c = 0; c < P::head_dim; ++c) query.row[c] = query.rotated[c] = to_float(raw[c]);
    P::key_rotation::template apply<P::head_dim>(query.rotated);
  }
  auto const part = std::make_unique<attention_part<P>>();
  for (int group = 0; group < state.num_groups; ++group) {
    read_group(*part, seq.block(group), group);
    for (int i = 0; i < count; ++i) {
      fold<P>(queries[i].groups, *part, queries[i].pos, queries[i].rotated, scale, call.options);
    }
  }
  for (int exact = 0; exact < 2; ++exact) {
    if (exact == 0) read_pools(*part, state);
    if (exact == 1) read_window(*part, state);
    for (int i = 0; i < count; ++i) {
      fold<P>(queries[i].exact, *part, queries[i].pos, queries[i].row, scale, call.options);
    }
  }
  for (int i = 0; i < count; ++i) {
    softmax_state<P::head_dim>& total = queries[i].groups;
    P::value_rotation::template apply<P::head_dim>(total.out);
    total.merge(queries[i].exact);
    int const row = first + i / q_per_kv;
    int const head = kv_head * q_per_kv + i % q_per_kv;
    float const norm = total.sum > 0 ? 1.0f / total.sum : 0.0f;
    for (int c = 0; c < P::head_dim; ++c)
      call.out(row, head, c) = from_float<Q>(total.out[c] * norm);
    if (call.options.lse != nullptr) call.options.lse[row * call.q.heads + head] = total.lse();
  }
}

}  // namespace ott
