#pragma once

#include "captured.hpp"

#include "support/dtype.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include <ott/layout/footprint.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

namespace eval {

template <class P>
policy_facts facts_of() {
  return {.group = P::group,
          .pool = P::pool,
          .evicted = P::evicted,
          .value_group = ott::value_group<P>,
          .exact = ott::exact_keys<P>,
          .factors = P::key_factor::present,
          .bits_per_element = ott::footprint<P>::bits_per_element()};
}

/// Reads one layer's blocks and head states, all in host memory, into the shapes of a state dump.
/// requires keys per channel, values per token, both quantized or both exact
template <class P>
class layer_capture {
  using element = typename P::element;
  static constexpr int D = P::head_dim, G = P::group;
  static constexpr bool exact = ott::exact_keys<P>;
  static constexpr int code_bytes = exact ? static_cast<int>(sizeof(element)) : 1;
  static constexpr int sets = D / ott::value_group<P>;

 public:
  layer_capture(captured_layer& to, int groups, int kv_heads, int tokens)
      : to_{to}, kv_heads_{kv_heads}, tokens_{tokens} {
    std::size_t const rows = size(groups) * size(kv_heads) * G;
    to.groups = groups;
    to.codes_k.resize(rows * D * code_bytes);
    to.codes_v.resize(rows * D * code_bytes);
    if (!exact) to.params_k.resize(size(groups) * size(kv_heads) * D * 2);
    if (!exact) to.params_v.resize(rows * sets * 2);
    if (P::key_factor::present) to.factor_k.resize(rows);
    to.marks.resize(rows);
    to.pool_pos.assign(size(kv_heads) * P::pool, -1);
    to.evicted_pos.assign(size(kv_heads) * P::evicted, -1);
    to.seen_k.resize(size(kv_heads) * size(tokens) * D);
    to.seen_v.resize(to.seen_k.size());
  }

  void add_block(int group, int head, ott::group_block<P> const& block) {
    auto const first = (size(group) * size(kv_heads_) + size(head)) * G;  // row of the group
    for (int t = 0; t < G; ++t) {
      to_.marks[first + size(t)] = block.marked(t);
      for (int c = 0; c < D; ++c) {
        put_code(to_.codes_k, first * D + size(c) * G + size(t), key_code(block, t, c));
        put_code(to_.codes_v, (first + size(t)) * D + size(c), value_code(block, t, c));
      }
      see_row(group * G + t, head, block, t);
    }
    if constexpr (!exact) add_params(first, block);
  }

  /// Call after all blocks of the head: exact rows take the place of what groups hold of them.
  void add_state(int head, ott::head_state<P> const& state) {
    for (int pos = state.window_begin(); pos < state.length; ++pos) {
      auto const row = ott::head_state<P>::window_row(pos);
      see_exact(pos, head, state.window_k + row, state.window_v + row);
    }
    std::vector<std::int32_t> pool, evicted;
    for (int i = 0; i < state.num_traced; ++i) {
      auto const& entry = state.entries[i];
      (entry.evicted != 0 ? evicted : pool).push_back(entry.pos);
      see_exact(entry.pos, head, state.traced_k + i * D, state.traced_v + i * D);
    }
    put_positions(pool, to_.pool_pos, P::pool, head);
    put_positions(evicted, to_.evicted_pos, P::evicted, head);
  }

 private:
  static std::size_t size(int value) { return static_cast<std::size_t>(value); }

  static auto key_code(ott::group_block<P> const& block, int t, int c) {
    if constexpr (exact)
      return block.key_codes()[t * D + c];
    else
      return static_cast<std::uint8_t>(block.key_code(t, c));
  }
  static auto value_code(ott::group_block<P> const& block, int t, int c) {
    if constexpr (exact)
      return block.value_codes()[t * D + c];
    else
      return static_cast<std::uint8_t>(block.value_code(t, c));
  }

  template <class T>
  static void put_code(std::vector<std::byte>& to, std::size_t index, T const& code) {
    std::memcpy(to.data() + index * sizeof code, &code, sizeof code);
  }

  void add_params(std::size_t first, ott::group_block<P> const& block) {
    for (int field = 0; field < 2; ++field) {
      for (int c = 0; c < D; ++c)
        to_.params_k[(first / G * D + size(c)) * 2 + size(field)] =
            block.key_param(0, c, field).bits;
      for (int t = 0; t < G; ++t)
        for (int set = 0; set < sets; ++set)
          to_.params_v[((first + size(t)) * sets + size(set)) * 2 + size(field)] =
              block.value_param(t, set * ott::value_group<P>, field).bits;
    }
    if constexpr (P::key_factor::present)
      for (int t = 0; t < G; ++t)
        to_.factor_k[first + size(t)] = ott::from_float<ott::half>(block.key_factor(t)).bits;
  }

  double* seen(std::vector<double>& to, int pos, int head) const {
    return to.data() + (size(head) * size(tokens_) + size(pos)) * D;
  }

  // Groups hold rotated rows; a rotation is its own inverse.
  void see_row(int pos, int head, ott::group_block<P> const& block, int t) {
    float k[D], v[D];
    for (int c = 0; c < D; ++c) {
      k[c] = block.key(t, c);
      v[c] = block.value(t, c);
    }
    P::key_rotation::template apply<D>(k);
    P::value_rotation::template apply<D>(v);
    std::copy(k, k + D, seen(to_.seen_k, pos, head));
    std::copy(v, v + D, seen(to_.seen_v, pos, head));
  }

  void see_exact(int pos, int head, element const* k, element const* v) {
    for (int c = 0; c < D; ++c) {
      seen(to_.seen_k, pos, head)[c] = ott::to_float(k[c]);
      seen(to_.seen_v, pos, head)[c] = ott::to_float(v[c]);
    }
  }

  static void put_positions(std::vector<std::int32_t>& found, std::vector<std::int32_t>& to,
                            int capacity, int head) {
    std::sort(found.begin(), found.end());
    std::copy(found.begin(), found.end(), to.begin() + std::ptrdiff_t{capacity} * head);
  }

  captured_layer& to_;
  int kv_heads_, tokens_;
};

}  // namespace eval
