#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/cuda/arch/element_pairs.cuh>
#include <ott/cuda/arch/half_pair.cuh>
#include <ott/layout/group_block.hpp>
#include <ott/policy/affine.hpp>
#include <ott/policy/symmetric.hpp>

// Codes become fp16 two at a time: a code's bits in the mantissa of a power of two whose last place
// counts one are that power plus the code.
namespace ott {

namespace detail {

/// How a quantizer that pairs can decode reads: code minus bias, times scale, plus zero if any.
template <class Quantizer>
struct pair_rule {
  static constexpr bool possible = false;
};
template <int Bits>
struct pair_rule<affine<Bits>> {
  static constexpr bool possible = true;
  static constexpr int bias = 0;
  static constexpr int reach = affine<Bits>::max_code;
  static constexpr bool zero = true;
};
template <int Bits>
struct pair_rule<symmetric<Bits>> {
  static constexpr bool possible = true;
  static constexpr int bias = symmetric<Bits>::bias;
  static constexpr int reach = symmetric<Bits>::bias - 1;
  static constexpr bool zero = false;
};

OTT_HD constexpr std::uint32_t both(float x) { return from_float<half>(x).bits * 0x10001u; }

/// Scale and zero of two elements, as halves.
struct pair_params {
  std::uint32_t scale;
  std::uint32_t zero;
};

}  // namespace detail

/// Two codes of Bits bits at bit Bits * Field of the low byte of each half, as two fp16 integers
/// minus Bias; other bits of the word do not matter.
template <int Bits, int Field, int Bias>
__device__ __forceinline__ std::uint32_t code_pair(std::uint32_t halves) {
  constexpr std::uint32_t shift = Bits * Field;
  constexpr std::uint32_t mask = ((1u << Bits) - 1u) << shift;
  constexpr std::uint32_t power = (25u - shift) << 10;  // of two: 2^(10 - shift)
  constexpr std::uint32_t offset = detail::both(-static_cast<float>((1 << (10 - shift)) + Bias));
  std::uint32_t const lifted = (halves & mask * 0x10001u) | power * 0x10001u;
  return arch::add_pair(lifted, offset);
}

/// Decodes pairs of codes of one quantizer whose parameters are fp16.
template <class Quantizer>
struct pair_decoder {
  using rule = detail::pair_rule<Quantizer>;
  static constexpr bool split = Quantizer::bits == 3;  // a plane of 2 bits and one of 1
  static constexpr int bits = split ? 2 : Quantizer::bits;

  /// The largest code reads as a finite fp16: a scale near the end is made as small as it takes.
  __device__ __forceinline__ static detail::pair_params bounded(detail::pair_params p) {
    constexpr float part = (1.0f - 1.0f / 512) / rule::reach;
    constexpr std::uint32_t most = detail::both(65504.0f * part);
    if constexpr (rule::zero) {
      constexpr std::uint32_t less = detail::both(-part);
      p.scale = arch::lesser_of<half>(p.scale, arch::fma_pair(p.zero, less, most));
    } else {
      p.scale = arch::lesser_of<half>(p.scale, most);
    }
    return p;
  }

  /// Elements from field `Field` of the low plane and, of three bits, of the high plane.
  template <int Field>
  __device__ __forceinline__ static std::uint32_t decode(std::uint32_t low, std::uint32_t high,
                                                         detail::pair_params p) {
    std::uint32_t code = code_pair<bits, Field, rule::bias>(low);
    if constexpr (split) {
      constexpr std::uint32_t four = detail::both(4.0f);
      code = arch::fma_pair(code_pair<1, Field, 0>(high), four, code);
    }
    if constexpr (rule::zero) {
      return arch::fma_pair(code, p.scale, p.zero);
    } else {  // the smallest code is one further from zero
      constexpr std::uint32_t least = detail::both(-65504.0f);
      return arch::greater_of<half>(arch::multiply_pair(code, p.scale), least);
    }
  }
};

namespace detail {

template <class P>
inline constexpr bool half_params =
    std::same_as<typename P::element, half>&& std::same_as<typename P::param, half>;

/// Can a group's keys, its values, be decoded in pairs?
template <class P>
inline constexpr bool keys_in_pairs = [] {
  if constexpr (exact_keys<P>)
    return false;
  else
    return half_params<P> && key_layout<P>::by_channel &&
           pair_rule<typename P::key_quantizer>::possible;
}();
template <class P>
inline constexpr bool values_in_pairs = [] {
  if constexpr (exact_values<P>)
    return false;
  else
    return half_params<P> && !value_layout<P>::by_channel &&
           pair_rule<typename P::value_quantizer>::possible;
}();

/// Calls act.template operator()<I>() for I from 0 to Count - 1.
template <int Count, int I = 0, class Act>
__device__ __forceinline__ void for_each_field(Act const& act) {
  if constexpr (I < Count) {
    act.template operator()<I>();
    for_each_field<Count, I + 1>(act);
  }
}

}  // namespace detail

}  // namespace ott
