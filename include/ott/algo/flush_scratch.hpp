#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <ott/algo/code_bounds.hpp>
#include <ott/algo/score.hpp>
#include <ott/algo/team.hpp>
#include <ott/algo/tile.hpp>
#include <ott/algo/trace.hpp>
#include <ott/core/macros.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/policy/cache_policy.hpp>
#include <ott/policy/fit.hpp>

namespace ott {

namespace detail {

/// Does the fit of a tensor ask for the ends of its ranges and nothing else?
template <class Quantizer, class Fit>
inline constexpr bool wants_range = is_passthrough<Quantizer> ||
                                    (std::same_as<Fit, min_max> &&
                                     !fits_values<Quantizer, any_slice>);

constexpr int larger(int a, int b) { return a > b ? a : b; }

/// Can a group be quantized from its elements, without rows in fp32?
template <class P>
inline constexpr bool quantizes_elements =
    P::key_rotation::identity&& P::value_rotation::identity && !P::key_factor::present &&
    wants_range<typename P::key_quantizer, typename P::key_fit> &&
    wants_range<typename P::value_quantizer, typename P::value_fit> &&
    (!traces_tokens<P> || sums_integers<typename P::selection, typename P::element>);

/// Are codes found by comparing elements with fp16 numbers where codes begin?
template <class P, class Quantizer, class Fit>
inline constexpr bool compares_elements =
    quantizes_elements<P>&& std::same_as<typename P::element, half>&& tries_stored<Fit>&&
        has_bounds<Quantizer, typename P::param>;

template <class P, class Layout>
inline constexpr int num_slices = Layout::by_channel ? P::head_dim
                                                     : P::group*(P::head_dim / Layout::width);

/// One for each code but the lowest and each slice. shape [code - 1][slice]
template <class P, class Quantizer, class Fit, class Layout>
inline constexpr int num_bounds = [] {
  if constexpr (compares_elements<P, Quantizer, Fit>) {
    return Quantizer::max_code * num_slices<P, Layout>;
  } else {
    return 0;
  }
}();

/// Floats of what the parts of a search find. shape [part][slice][error, trial, parameters]
template <class P, class Quantizer, class Fit, class Layout>
inline constexpr int num_found = [] {
  if constexpr (!quantizes_elements<P> && !is_passthrough<Quantizer> && fit_in_parts<Fit>) {
    return Fit::parts * num_slices<P, Layout> * (2 + Layout::num_fields);
  } else {
    return 0;
  }
}();

}  // namespace detail

/// What a team needs while it flushes one group: shared memory on the device.
template <class P>
struct flush_scratch {
  static constexpr bool traces = traces_tokens<P>;
  static constexpr bool needs_tile = traces || !exact_keys<P> || !exact_values<P>;
  static constexpr bool holds_elements = detail::quantizes_elements<P>;
  static constexpr int num_params =
      detail::larger(key_layout<P>::num_param_items, value_layout<P>::num_param_items);
  /// Ranges of channels are found in parts of the tokens.
  static constexpr int channel_parts = 8;
  static constexpr int num_ranges =
      !holds_elements ? 1
                      : detail::larger(channel_parts * P::head_dim /
                                           element_chunk<typename P::element>::per_word,
                                       detail::larger(2, P::head_dim / value_group<P>) * P::group);
  static constexpr int num_bounds = detail::larger(
      detail::num_bounds<P, typename P::key_quantizer, typename P::key_fit, key_layout<P>>,
      detail::num_bounds<P, typename P::value_quantizer, typename P::value_fit, value_layout<P>>);
  static constexpr int num_found = detail::larger(
      detail::num_found<P, typename P::key_quantizer, typename P::key_fit, key_layout<P>>,
      detail::num_found<P, typename P::value_quantizer, typename P::value_fit, value_layout<P>>);
  static constexpr int tile_rows = needs_tile ? P::group : 1;
  using tile_type =
      std::conditional_t<holds_elements, element_tile<typename P::element, tile_rows, P::head_dim>,
                         float_tile<tile_rows, P::head_dim>>;

  tile_type tile;
  alignas(16) float params[num_params > 0 ? num_params : 1];  // as stored, by slice
  alignas(16) float stand_in[P::head_dim];  // for traced tokens, where the tile keeps elements
  word_range ranges[num_ranges];
  float found[num_found > 0 ? num_found : 1];
  alignas(16) half bounds[num_bounds > 0 ? num_bounds : 1];  // where codes begin
  score_parts<P> parts;
  std::uint64_t scores[P::group];
  std::int32_t order[P::pool > 0 ? P::pool : 1];  // the pool's size of lowest tokens, ascending
  lowest_by_lot<P> lots;
  held_entries<P> held;
  std::int32_t num_before;  // traced tokens before this group
  std::int32_t num_traced;  // tokens traced in this group
  std::uint32_t marks[P::group / 32];
  float factors[P::key_factor::present ? P::group : 1];

  OTT_HD constexpr bool marked(int token) const {
    return (marks[token / 32] >> token % 32 & 1u) != 0;
  }
  /// Marks of the 32 tokens from 32 * word on in whose places another row stands.
  OTT_HD constexpr std::uint32_t stand_ins(int word) const {
    return traces && num_traced != 0 ? marks[word] : 0u;
  }
  OTT_HD constexpr bool stands_in(int token) const {
    return (stand_ins(token / 32) >> token % 32 & 1u) != 0;
  }
  /// N neighbouring channels of one token as they are quantized; see element_tile::values.
  template <int N>
  OTT_HD constexpr array<float, N> values(int token, int channel) const {
    if constexpr (holds_elements && traces) {
      if (stands_in(token)) {
        array<float, N> x{};
        for (int i = 0; i < N; ++i) x[i] = stand_in[channel + i];
        return x;
      }
    }
    return tile.template values<N>(token, channel);
  }
};

}  // namespace ott
