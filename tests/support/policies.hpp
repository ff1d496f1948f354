#pragma once

#include <string>
#include <tuple>

#include <oracle/naive.hpp>
#include <ott/core/scalar.hpp>
#include <ott/policy/cache_policy.hpp>
#include <ott/policy/first_tokens.hpp>
#include <ott/policy/max_l1.hpp>
#include <ott/policy/min_l2.hpp>
#include <ott/policy/symmetric.hpp>

// The policies every law is tried on: the built-in ones as they are, and small ones that between
// them have every part, element type, bit width and awkward head_dim. And tiny ones, for tests that
// are slow.
namespace ott_test {

/// Small enough for many tries: groups of 32, a short window, pools that fill up.
struct small : ott::paper_policy {
  static constexpr int head_dim = 64;
  static constexpr int group = 32;
  static constexpr int residual = 8;
  static constexpr int pool = 3;
  static constexpr int evicted = 6;
};

struct small_dense : small {
  using key_quantizer = ott::no_quantizer;
  using value_quantizer = ott::no_quantizer;
};

struct small_rotated : small {
  using key_rotation = ott::hadamard;
  using value_rotation = ott::hadamard;
  using key_factor = ott::token_norm_refitted;
  using key_fit = ott::high_norm<8>;
  using value_fit = ott::least_squares;
};

struct one_bit : small {
  using key_quantizer = ott::affine<1>;
  using value_quantizer = ott::affine<1>;
  static constexpr int group = 64;
};

struct three_bit : small {
  using key_quantizer = ott::affine<3>;
  using value_quantizer = ott::affine<3>;
  static constexpr int head_dim = 80;
  static constexpr int evicted = 0;
};

/// bf16, wide heads, and a window that holds nothing after a flush.
struct four_bit : small {
  using element = ott::bf16;
  using key_quantizer = ott::affine<4>;
  using value_quantizer = ott::affine<4>;
  static constexpr int head_dim = 256;
  static constexpr int residual = 0;
};

struct eight_bit : small {
  using element = float;
  using param = float;
  using key_quantizer = ott::affine<8>;
  using value_quantizer = ott::affine<8>;
  using selection = ott::max_l1;
};

struct symmetric_codes : small {
  using key_quantizer = ott::symmetric<4>;
  using value_quantizer = ott::symmetric<3>;
  using selection = ott::min_l2;
  static constexpr int head_dim = 96;
  static constexpr int pool = 1;
};

/// Keys per token, values per channel.
struct exchanged : small {
  using key_granularity = ott::per_token;
  using value_granularity = ott::per_channel;
  using key_quantizer = ott::affine<4>;
  using substitution = ott::zero_substitute;
};

struct value_groups : small {
  using element = ott::bf16;
  using param = ott::bf16;
  using value_quantizer = ott::affine<3>;
  static constexpr int head_dim = 112;
  static constexpr int value_group = 16;
  static constexpr int residual = 40;
};

/// One tensor exact, the other not; traced by position.
struct half_dense : small {
  using element = float;
  using key_quantizer = ott::no_quantizer;
  using selection = ott::first_tokens<4>;
  static constexpr int pool = 4;
  static constexpr int evicted = 0;
};

struct factored : small {
  using key_factor = ott::token_norm;
  using key_quantizer = ott::affine<4>;
  using key_fit = ott::high_norm<2>;
  static constexpr int head_dim = 80;
};

/// Quantizer and rule of a user: nothing else had to be touched.
struct pow2_step {
  static constexpr char const* name = "pow2_step";
  static constexpr int bits = 4;
  struct params {
    float scale;
  };
  OTT_HD static constexpr params fit(float lo, float hi) {
    float const reach = -lo > hi ? -lo : hi;
    float step = 1.0f;
    while (step * 7 < reach && step < 4096.0f) step *= 2;
    while (step * 3.5f > reach && step > 1e-6f) step /= 2;
    return {step};
  }
  OTT_HD static constexpr int encode(params p, float x) {
    return ott::nearest_code(ott::exact_add(ott::exact_div(x, p.scale), 8.0f), 15);
  }
  OTT_HD static constexpr float decode(params p, int code) {
    return p.scale * static_cast<float>(code - 8);
  }
};

struct coarse_l2 {
  static constexpr char const* name = "coarse_l2";
  OTT_HD static constexpr std::int64_t term(float x) {
    auto const coarse = static_cast<std::int64_t>(x * 256.0f);
    return coarse * coarse;
  }
};

struct own_parts : small {
  using key_quantizer = pow2_step;
  using value_quantizer = pow2_step;
  using selection = coarse_l2;
};

/// Smaller still, for whole flushes inside static_assert and for a team of slow threads.
template <class Base>
struct tiny_of : Base {
  static constexpr int head_dim = 16;
  static constexpr int group = 32;
  static constexpr int residual = 4;
  static constexpr int evicted = 4;
};
using tiny = tiny_of<ott::paper_policy>;
using tiny_rotated = tiny_of<ott::rotated_policy>;

struct tiny_exchanged : tiny {
  using element = ott::bf16;
  using key_granularity = ott::per_token;
  using value_granularity = ott::per_channel;
  using key_quantizer = ott::affine<3>;
};

struct tiny_mixed : tiny {
  using element = float;
  using key_quantizer = ott::no_quantizer;
  using value_quantizer = ott::symmetric<4>;
  static constexpr int value_group = 16;
};

using built_in_policies =
    std::tuple<ott::paper_policy, ott::kivi_policy, ott::dense_policy, ott::rotated_policy>;
using small_policies =
    std::tuple<small, small_dense, small_rotated, one_bit, three_bit, four_bit, eight_bit,
               symmetric_codes, exchanged, value_groups, half_dense, factored, own_parts>;

template <class P>
inline constexpr bool is_built_in =
    std::same_as<P, ott::paper_policy> || std::same_as<P, ott::kivi_policy> ||
    std::same_as<P, ott::dense_policy> || std::same_as<P, ott::rotated_policy>;

namespace detail {

template <class T>
constexpr naive::number number_of() {
  return std::same_as<T, ott::half>   ? naive::number::fp16
         : std::same_as<T, ott::bf16> ? naive::number::bf16
                                      : naive::number::fp32;
}

template <class Q, class Granularity, class Rotation, class Fit>
naive::tensor_method tensor_of(int width) {
  naive::tensor_method how;
  how.per_channel = std::same_as<Granularity, ott::per_channel>;
  how.width = width;
  how.rotated = !Rotation::identity;
  std::string const fit = Fit::name;
  how.fitting = fit == "least_squares" ? naive::fit::least_squares
                : fit == "high_norm"   ? naive::fit::high_norm
                                       : naive::fit::min_max;
  if constexpr (ott::detail::is_passthrough<Q>) {
    how.quantizer = naive::coding::none;
  } else {
    how.bits = Q::bits;
    how.quantizer =
        std::string{Q::name} == "symmetric" ? naive::coding::symmetric : naive::coding::affine;
  }
  return how;
}

}  // namespace detail

/// Can the oracle follow it? It knows the method's parts, not a user's.
template <class P>
inline constexpr bool known_to_oracle = !std::same_as<P, own_parts>;

/// Does the method fix every fp32 step of it? Otherwise the oracle agrees in quality, not in bits.
template <class P>
inline constexpr bool exact_in_oracle =
    known_to_oracle<P>&& P::key_rotation::identity&& P::value_rotation::identity &&
    !P::key_factor::present && std::same_as<typename P::key_fit, ott::min_max> &&
    std::same_as<typename P::value_fit, ott::min_max>;

/// A policy as the oracle wants it: run-time values.
template <class P>
naive::method method_of() {
  naive::method m{P::head_dim, P::group, P::residual, P::pool, P::evicted};
  m.param = detail::number_of<typename P::param>();
  using rule = typename P::selection;
  m.selection = std::same_as<rule, ott::trace_none> ? naive::rule::none
                : std::same_as<rule, ott::min_l2>   ? naive::rule::min_l2
                : std::same_as<rule, ott::max_l1>   ? naive::rule::max_l1
                : std::same_as<rule, ott::min_l1>   ? naive::rule::min_l1
                                                    : naive::rule::first_tokens;
  m.first = 4;
  if (std::same_as<typename P::substitution, ott::zero_substitute>) {
    m.substitution = naive::stand_in::zero;
  }
  m.key_factor = P::key_factor::refitted  ? naive::factor::refitted
                 : P::key_factor::present ? naive::factor::norm
                                          : naive::factor::none;
  m.norm = std::same_as<typename P::key_fit, ott::high_norm<2>> ? 2 : 8;
  m.k = detail::tensor_of<typename P::key_quantizer, typename P::key_granularity,
                          typename P::key_rotation, typename P::key_fit>(P::head_dim);
  m.v = detail::tensor_of<typename P::value_quantizer, typename P::value_granularity,
                          typename P::value_rotation, typename P::value_fit>(ott::value_group<P>);
  return m;
}

}  // namespace ott_test
