#pragma once

#include <cstddef>

#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

namespace ott {

/// What a cache of this policy costs, as an engine budgets it; equal to what is allocated.
template <cache_policy P>
struct footprint {
  /// One (group, KV head): codes, parameters, factors, marks and padding.
  static constexpr std::size_t bytes_per_group() { return sizeof(group_block<P>); }

  /// One (sequence, layer, KV head) beside its groups: header, window, both pools.
  static constexpr std::size_t bytes_per_head() { return sizeof(head_state<P>); }

  /// One flushed token and KV head.
  static constexpr double bytes_per_token() {
    return static_cast<double>(bytes_per_group()) / P::group;
  }

  /// A sequence of `tokens` tokens over all layers and KV heads.
  static constexpr std::size_t bytes_per_sequence(int tokens, int num_layers, int num_kv_heads) {
    std::size_t const groups = static_cast<std::size_t>(groups_after<P>(0, tokens));
    return (groups * bytes_per_group() + bytes_per_head()) * static_cast<std::size_t>(num_layers) *
           static_cast<std::size_t>(num_kv_heads);
  }

  /// Bits an element of a flushed group costs: codes, parameters and factors, without padding and
  /// marks.
  static constexpr double bits_per_element() {
    using param = typename P::param;
    double const elements = 2.0 * P::group * P::head_dim;
    double const codes = code_bits<key_layout<P>>() + code_bits<value_layout<P>>();
    double const params =
        8.0 * sizeof(param) * (param_items<key_layout<P>>() + param_items<value_layout<P>>());
    double const factors = P::key_factor::present ? 8.0 * sizeof(half) * P::group : 0.0;
    return (codes + params + factors) / elements;
  }

  /// The same with everything a group block holds: marks and padding too.
  static constexpr double bits_per_element_stored() {
    return 8.0 * static_cast<double>(bytes_per_group()) / (2.0 * P::group * P::head_dim);
  }

  /// The same for a sequence of `tokens` tokens, window and pools counted.
  static constexpr double bits_per_element_of_sequence(int tokens) {
    return 8.0 * static_cast<double>(bytes_per_sequence(tokens, 1, 1)) /
           (2.0 * tokens * P::head_dim);
  }

 private:
  template <class Layout>
  static constexpr double code_bits() {
    return static_cast<double>(Layout::bits) * P::group * P::head_dim;
  }
  template <class Layout>
  static constexpr double param_items() {
    int const sets = Layout::by_channel ? P::head_dim : P::group * (P::head_dim / Layout::width);
    return Layout::num_fields * sets;
  }
};

}  // namespace ott
