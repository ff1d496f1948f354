#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

/// Keeps the first N tokens of the sequence exact, whatever their keys: attention sinks by
/// position.
/// requires pool >= N, else the later ones are displaced by nothing and stay quantized
template <int N>
struct first_tokens {
  static constexpr char const* name = "first_tokens";
  static constexpr int argument = N;
  template <class T>
  OTT_HD static constexpr std::uint64_t score(key_row<T>, int pos) {
    return pos < N ? static_cast<std::uint64_t>(pos) : never_traced;
  }
};

}  // namespace ott
