#pragma once

#include <cstdint>

#include <ott/core/scalar.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

namespace detail {

/// FNV-1a, 64 bits.
struct hasher {
  std::uint64_t state = 14695981039346656037ull;

  constexpr void byte(unsigned char b) { state = (state ^ b) * 1099511628211ull; }
  constexpr void text(char const* s) {
    while (*s != 0) byte(static_cast<unsigned char>(*s++));
    byte(0);
  }
  constexpr void number(std::int64_t n) {
    for (int i = 0; i < 8; ++i) byte(static_cast<unsigned char>(n >> (8 * i)));
  }
};

/// A part's own name where it has one; parts without one count by what can be seen of them.
template <class Part>
constexpr void add_part(hasher& h) {
  if constexpr (requires { Part::name; }) h.text(Part::name);
  if constexpr (requires { Part::bits; }) h.number(Part::bits);
  if constexpr (requires { Part::argument; }) h.number(Part::argument);
}

template <class T>
constexpr int scalar_code() {
  return std::same_as<T, half> ? 1 : std::same_as<T, bf16> ? 2 : 3;
}

}  // namespace detail

/// A number that differs between policies whose state differs: written into snapshots.
/// Parts of your own take part by `static constexpr char const* name` and, where one name has many,
/// by `static constexpr int argument`.
template <cache_policy P>
constexpr std::uint64_t fingerprint() {
  detail::hasher h;
  h.text("ott state 1");
  h.number(detail::scalar_code<typename P::element>());
  h.number(detail::scalar_code<typename P::param>());
  detail::add_part<typename P::key_quantizer>(h);
  detail::add_part<typename P::value_quantizer>(h);
  detail::add_part<typename P::key_granularity>(h);
  detail::add_part<typename P::value_granularity>(h);
  detail::add_part<typename P::selection>(h);
  detail::add_part<typename P::substitution>(h);
  detail::add_part<typename P::key_rotation>(h);
  detail::add_part<typename P::value_rotation>(h);
  detail::add_part<typename P::key_factor>(h);
  detail::add_part<typename P::key_fit>(h);
  detail::add_part<typename P::value_fit>(h);
  h.number(P::head_dim);
  h.number(P::group);
  h.number(P::residual);
  h.number(P::pool);
  h.number(P::evicted);
  h.number(P::value_group);
  return h.state;
}

}  // namespace ott
