#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/bits.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

namespace detail {

template <class Q>
constexpr bool integer_codes() {
  if constexpr (is_passthrough<Q> || !is_affine<Q>) {
    return false;
  } else if constexpr (num_params<Q>() == 2) {  // stored as (scale, zero), used as they are
    constexpr affine_params one = Q::affine_of(typename Q::params{2.0f, 3.0f});
    constexpr affine_params two = Q::affine_of(typename Q::params{0.5f, -7.0f});
    return one.scale == 2.0f && one.zero == 3.0f && two.scale == 0.5f && two.zero == -7.0f;
  } else if constexpr (num_params<Q>() == 1) {  // (scale); zero is a multiple of it
    constexpr affine_params one = Q::affine_of(typename Q::params{1.0f});
    constexpr affine_params two = Q::affine_of(typename Q::params{2.0f});
    return one.scale == 1.0f && two.scale == 2.0f && two.zero == 2.0f * one.zero;
  } else {
    return false;
  }
}

/// Zero of a quantizer that stores its scale alone, in units of the scale.
template <class Q>
constexpr float zero_of_unit() {
  if constexpr (num_params<Q>() == 1) return Q::affine_of(typename Q::params{1.0f}).zero;
  return 0.0f;
}

}  // namespace detail

/// Can the integer tensor cores attend to this policy's groups? Others take the generic kernel.
template <class P>
inline constexpr bool has_integer_groups =
    detail::integer_codes<typename P::key_quantizer>() &&
    detail::integer_codes<typename P::value_quantizer>() &&
    std::same_as<typename P::key_granularity, per_channel>&& std::same_as<
        typename P::value_granularity, per_token>&& value_group<P> == P::head_dim
    &&
    sizeof(typename P::param) == 2 && P::group % 32 == 0 && P::group <= 256 && P::head_dim <= 256;

/// What the integer attention over P's groups must know of the layout, as constants.
template <class P>
struct group_shape {
  using key = key_layout<P>;
  using value = value_layout<P>;
  using param = typename P::param;

  static constexpr int head_dim = P::head_dim;
  static constexpr int token_tiles = key::map::row_tiles;      // 16 tokens each
  static constexpr int token_steps = value::map::k_steps;      // 32 tokens each
  static constexpr int lane_tokens = P::group / 8;             // scores one lane holds of a row
  static constexpr int channel_steps = key::map::k_steps;      // 32 channels each
  static constexpr int channel_tiles = value::map::row_tiles;  // 16 channels each
  static constexpr int lane_channels = 2 * channel_tiles;      // outputs one lane holds of a row

  static constexpr bool has_key_zero = num_params<typename P::key_quantizer>() == 2;
  static constexpr bool has_value_zero = num_params<typename P::value_quantizer>() == 2;
  static constexpr float key_zero_of_unit = detail::zero_of_unit<typename P::key_quantizer>();
  static constexpr float value_zero_of_unit = detail::zero_of_unit<typename P::value_quantizer>();
  static constexpr bool has_factors = P::key_factor::present;
  static constexpr bool has_marks = traced_capacity<P> > 0;

  // Bytes from the start of the half-block.
  static constexpr int key_scales_at = key::num_code_items * 4;
  static constexpr int key_zeros_at = key_scales_at + key::padded_channels * 2;
  static constexpr int factors_at = key_scales_at + key::num_param_items * 2;
  static constexpr int key_bytes = factors_at + (has_factors ? P::group * 2 : 0);
  static constexpr int value_params_at = value::num_code_items * 4;
  static constexpr int marks_at = round_up(value_params_at + value::num_param_items * 2, 16);
  static constexpr int value_bytes = has_marks ? marks_at + P::group / 8 : marks_at;

  static constexpr int value_half_at = sizeof(key_half<P>);
  static constexpr int stage_bytes =
      round_up(key_bytes > value_bytes ? key_bytes : value_bytes, 128);
  static_assert(key_bytes <= int{sizeof(key_half<P>)} && value_bytes <= int{sizeof(value_half<P>)});

  // Fixed point. Sums of 32 bits must hold codes (at most 255 with their field's weight) times
  // these.
  static constexpr float key_reach = 32000.0f;
  static_assert(32000.0 * 255 * key::padded_channels < 2147483648.0);
  static constexpr float value_reach =
      255.0 * P::group * 65535 < 2147483648.0 ? 65535.0f : 32767.0f;
};

}  // namespace ott
