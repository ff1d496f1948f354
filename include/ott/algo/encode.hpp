#pragma once

#include <concepts>
#include <type_traits>

#include <ott/core/array.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>
#include <ott/policy/affine.hpp>
#include <ott/policy/fit.hpp>
#include <ott/policy/high_norm.hpp>
#include <ott/policy/least_squares.hpp>
#include <ott/policy/symmetric.hpp>

// The codes of Quantizer::encode without its division. A code is decided by which side of a half
// the rounded quotient lies on; both sides can be told without computing it.
namespace ott {

namespace detail {

/// Do all parameters that a fit tries come from storage, with a scale that is not negative?
template <class Fit>
inline constexpr bool tries_stored = std::same_as<Fit, min_max> || std::same_as<Fit, least_squares>;
template <int N>
inline constexpr bool tries_stored<high_norm<N>> = true;

/// May `scale * code` stand for `x` without further question? It is less than half a step away, by
/// more than what rounding can do to either way of asking; codes reach 255.
OTT_HD constexpr bool surely_nearest(float x, float at, float scale) {
  return exact_abs(exact_sub(x, at)) < exact_mul(scale, 0.49987793f);  // 0.5 - 2^-13
}

}  // namespace detail

/// One parameter set, ready to encode many values: encode(p, x), bit for bit.
/// requires `Stored`: the parameters were rounded to Param, and no scale is negative
template <class Q, class Param, bool Stored>
struct encoder {
  typename Q::params params;

  OTT_HD static constexpr encoder of(typename Q::params p) { return {p}; }
  OTT_HD constexpr int operator()(float x) const { return Q::encode(params, x); }
};

/// Few codes: x - zero is compared with the middles between them. An fp16 scale has 11 bits, so the
/// middles are exact; a quotient rounds to a middle only where the difference equals it, and there
/// ties go to the even code.
template <int Bits>
  requires(Bits <= 2)
struct encoder<affine<Bits>, half, true> {
  static constexpr int max_code = affine<Bits>::max_code;
  typename affine<Bits>::params params;
  float origin;  // zero; infinity where the scale is 0: what lies below it, or is NaN, has code 0

  OTT_HD static constexpr encoder of(typename affine<Bits>::params p) {
    return {p, p.scale == 0.0f ? infinity() : p.zero};
  }
  OTT_HD constexpr int operator()(float x) const {
    int code = 0;
    for (int j = 0; j < max_code; ++j) code += above(j, x) ? 1 : 0;
    return code;
  }
  /// The code as a number, and what it reads as: without a conversion, which is slow.
  OTT_HD constexpr float number(float x) const {
    float code = above(0, x) ? 1.0f : 0.0f;
    for (int j = 1; j < max_code; ++j) code = exact_add(code, above(j, x) ? 1.0f : 0.0f);
    return code;
  }
  OTT_HD static constexpr float read(typename affine<Bits>::params p, float number) {
    return exact_product_add(p.scale, number, p.zero);  // 11 bits times 2
  }
  /// Between code j and the next.
  OTT_HD constexpr float middle(int j) const {
    return exact_mul(static_cast<float>(j) + 0.5f, params.scale);
  }
  /// Is the code of x above j?
  OTT_HD constexpr bool above(int j, float x) const {
    float const off = exact_sub(x, origin);
    return j % 2 == 0 ? off > middle(j) : off >= middle(j);
  }
};

namespace detail {

/// A code guessed by a product with 1 / scale in place of the division by it.
struct code_guess {
  float inverse;

  OTT_HD static constexpr code_guess of(float scale) {
    return {exact_div(1.0f, scale == 0.0f ? 1.0f : scale)};
  }
  /// Sets the code of `x`, an offset from what code `bias` reads as. False: too close to a tie.
  OTT_HD constexpr bool operator()(int& code, float x, float scale, int bias, int max_code) const {
    float const steps = exact_mul(x, inverse);
    code = nearest_code(bias == 0 ? steps : exact_add(steps, static_cast<float>(bias)), max_code);
    return surely_nearest(x, exact_mul(scale, static_cast<float>(code - bias)), scale);
  }
};

}  // namespace detail

/// Many codes: a guess, and what is close to a tie is asked properly.
template <int Bits, class Param>
  requires(Bits > 2 || !std::same_as<Param, half>)
struct encoder<affine<Bits>, Param, true> {
  using quantizer = affine<Bits>;
  typename quantizer::params params;
  detail::code_guess guess;

  OTT_HD static constexpr encoder of(typename quantizer::params p) {
    return {p, detail::code_guess::of(p.scale)};
  }
  OTT_HD constexpr int operator()(float x) const {
    int code = 0;
    float const off = exact_sub(x, params.zero);
    if (guess(code, off, params.scale, 0, quantizer::max_code)) return code;
    return quantizer::encode(params, x);
  }
};

template <int Bits, class Param>
struct encoder<symmetric<Bits>, Param, true> {
  using quantizer = symmetric<Bits>;
  typename quantizer::params params;
  detail::code_guess guess;

  OTT_HD static constexpr encoder of(typename quantizer::params p) {
    return {p, detail::code_guess::of(p.scale)};
  }
  OTT_HD constexpr int operator()(float x) const {
    int code = 0;
    if (guess(code, x, params.scale, quantizer::bias, quantizer::max_code)) return code;
    return quantizer::encode(params, x);
  }
};

/// A quantizer for fits that only try stored parameters: the same, but for the way it encodes.
template <class Q, class Param>
struct fast_encoding : Q {
  using encoder_type = encoder<Q, Param, true>;

  OTT_HD static constexpr int encode(typename Q::params p, float x) {
    return encoder_type::of(p)(x);
  }
  OTT_HD static constexpr float code_number(typename Q::params p, float x) requires
      requires(encoder_type const& e) {
    e.number(x);
  }
  { return encoder_type::of(p).number(x); }
  OTT_HD static constexpr float read_number(typename Q::params p, float number) requires requires {
    encoder_type::read(p, number);
  }
  { return encoder_type::read(p, number); }
};

/// What a fit is asked with.
template <class Q, class Param, class Fit>
using fitted_quantizer = std::conditional_t<detail::tries_stored<Fit>, fast_encoding<Q, Param>, Q>;

}  // namespace ott
