#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/layout/packed_codes.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

/// Order of arrays with one entry a token: lane row r of a tile finds its tokens r, r + 8, r + 16,
/// ... side by side.
template <int Group>
OTT_HD constexpr int token_slot(int token) {
  return token % 8 * (Group / 8) + token / 8;
}

namespace detail {

struct nothing {};

template <class Tag, class T, int N>
struct items_or_nothing {
  T items[N];
};
template <class Tag, class T>
struct items_or_nothing<Tag, T, 0> {};

template <class Tag, class T, int N>
struct codes_of : items_or_nothing<codes_of<Tag, T, N>, T, N> {};
template <class Tag, class T, int N>
struct params_of : items_or_nothing<params_of<Tag, T, N>, T, N> {};
template <class Tag, class T, int N>
struct factors_of : items_or_nothing<factors_of<Tag, T, N>, T, N> {};

}  // namespace detail

/// Where codes and parameters of one tensor (keys or values) of a group lie inside its half-block.
/// shape    parameters per channel: [field][padded channels];
///          per token: [channel group][token slot][field]
template <class P, class Quantizer, class Granularity, template <int, int, int> class Map,
          int Width>
struct tensor_layout {
  static constexpr bool exact = detail::is_passthrough<Quantizer>;
  static constexpr int bits = [] {
    if constexpr (exact)
      return static_cast<int>(8 * sizeof(typename P::element));
    else
      return Quantizer::bits;
  }();
  using map = Map<exact ? 8 : bits, P::group, P::head_dim>;
  using codes = packed_codes<exact ? 8 : bits, map>;
  static constexpr bool by_channel = std::same_as<Granularity, per_channel>;
  static constexpr int num_fields = num_params<Quantizer>();
  static constexpr int width = by_channel ? P::head_dim : Width;  // channels a token's set covers
  static constexpr int padded_channels = map::padded_channels;

  using code_type = std::conditional_t<exact, typename P::element, std::uint32_t>;
  static constexpr int num_code_items = exact ? P::group * P::head_dim : codes::num_words;
  static constexpr int num_param_items =
      num_fields * (by_channel ? padded_channels : P::group * (P::head_dim / width));

  /// Index of one stored parameter.
  OTT_HD static constexpr int param_index(int token, int channel, int field) {
    if constexpr (by_channel) return field * padded_channels + channel;
    return (channel / width * P::group + token_slot<P::group>(token)) * num_fields + field;
  }
};

template <class P>
using key_layout =
    tensor_layout<P, typename P::key_quantizer, typename P::key_granularity, key_map, P::head_dim>;

template <class P>
using value_layout = tensor_layout<P, typename P::value_quantizer, typename P::value_granularity,
                                   value_map, value_group<P>>;

/// [key codes | key parameters | key factors], a multiple of 128 bytes.
template <class P>
struct alignas(128) key_half
    : detail::codes_of<key_half<P>, typename key_layout<P>::code_type,
                       key_layout<P>::num_code_items>,
      detail::params_of<key_half<P>, typename P::param, key_layout<P>::num_param_items>,
      detail::factors_of<key_half<P>, half, P::key_factor::present ? P::group : 0> {
  using codes_base = detail::codes_of<key_half<P>, typename key_layout<P>::code_type,
                                      key_layout<P>::num_code_items>;
  using params_base =
      detail::params_of<key_half<P>, typename P::param, key_layout<P>::num_param_items>;
  using factors_base = detail::factors_of<key_half<P>, half, P::key_factor::present ? P::group : 0>;
};

/// [value codes | value parameters | marks], a multiple of 128 bytes.
template <class P>
struct alignas(128) value_half
    : detail::codes_of<value_half<P>, typename value_layout<P>::code_type,
                       value_layout<P>::num_code_items>,
      detail::params_of<value_half<P>, typename P::param, value_layout<P>::num_param_items> {
  using codes_base = detail::codes_of<value_half<P>, typename value_layout<P>::code_type,
                                      value_layout<P>::num_code_items>;
  using params_base =
      detail::params_of<value_half<P>, typename P::param, value_layout<P>::num_param_items>;
  /// Bit t % 32 of word t / 32 is set where token t was traced.
  alignas(16) std::uint32_t marks[P::group / 32];
};

/// The bytes of one flushed group of one KV head: immutable once written.
/// source   docs/layout.md has the byte map
template <class P>
struct alignas(128) group_block {
  using key_quantizer = typename P::key_quantizer;
  using value_quantizer = typename P::value_quantizer;

  key_half<P> k;
  value_half<P> v;

  OTT_HD constexpr auto* key_codes() { return k.key_half<P>::codes_base::items; }
  OTT_HD constexpr auto const* key_codes() const { return k.key_half<P>::codes_base::items; }
  OTT_HD constexpr auto* value_codes() { return v.value_half<P>::codes_base::items; }
  OTT_HD constexpr auto const* value_codes() const { return v.value_half<P>::codes_base::items; }
  OTT_HD constexpr auto* key_params() { return k.key_half<P>::params_base::items; }
  OTT_HD constexpr auto const* key_params() const { return k.key_half<P>::params_base::items; }
  OTT_HD constexpr auto* value_params() { return v.value_half<P>::params_base::items; }
  OTT_HD constexpr auto const* value_params() const { return v.value_half<P>::params_base::items; }
  OTT_HD constexpr half* key_factors() { return k.key_half<P>::factors_base::items; }
  OTT_HD constexpr half const* key_factors() const { return k.key_half<P>::factors_base::items; }

  OTT_HD constexpr bool marked(int token) const {
    return (v.marks[token / 32] >> token % 32 & 1u) != 0;
  }

  OTT_HD constexpr int key_code(int token, int channel) const {
    return key_layout<P>::codes::get(key_codes(), token, channel);
  }
  OTT_HD constexpr int value_code(int token, int channel) const {
    return value_layout<P>::codes::get(value_codes(), token, channel);
  }
  OTT_HD constexpr typename P::param key_param(int token, int channel, int field) const {
    return key_params()[key_layout<P>::param_index(token, channel, field)];
  }
  OTT_HD constexpr typename P::param value_param(int token, int channel, int field) const {
    return value_params()[value_layout<P>::param_index(token, channel, field)];
  }
  /// 1 where the policy has no factors.
  OTT_HD constexpr float key_factor(int token) const {
    if constexpr (P::key_factor::present)
      return to_float(key_factors()[token_slot<P::group>(token)]);
    return 1.0f;
  }

  /// One key element as it reads: in the rotated space where the policy rotates keys.
  OTT_HD constexpr float key(int token, int channel) const {
    if constexpr (exact_keys<P>) {
      return to_float(key_codes()[token * P::head_dim + channel]);
    } else {
      auto const params = load<key_quantizer, key_layout<P>>(key_params(), token, channel);
      return key_factor(token) * key_quantizer::decode(params, key_code(token, channel));
    }
  }
  /// One value element as it reads: in the rotated space where the policy rotates values.
  OTT_HD constexpr float value(int token, int channel) const {
    if constexpr (exact_values<P>) {
      return to_float(value_codes()[token * P::head_dim + channel]);
    } else {
      auto const params = load<value_quantizer, value_layout<P>>(value_params(), token, channel);
      return value_quantizer::decode(params, value_code(token, channel));
    }
  }

 private:
  template <class Q, class Layout>
  OTT_HD static constexpr typename Q::params load(typename P::param const* items, int token,
                                                  int channel) {
    array<float, num_params<Q>()> fields{};
    for (int f = 0; f < num_params<Q>(); ++f) {
      fields[f] = to_float(items[Layout::param_index(token, channel, f)]);
    }
    return bit_cast<typename Q::params>(fields);
  }
};

}  // namespace ott
