#pragma once

#include <concepts>
#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>

namespace ott {

/// The score of a token that is never traced.
inline constexpr std::uint64_t never_traced = ~std::uint64_t{0};

/// A key as a selection rule sees it: the raw elements of one token, before rotation.
/// shape    size() channels, operator()(channel) an element
template <class T>
struct key_row {
  float const* data;  // the elements widened, which is exact
  int num_channels;
  OTT_HD constexpr int size() const { return num_channels; }
  OTT_HD constexpr T operator()(int channel) const { return from_float<T>(data[channel]); }
};

namespace detail {

template <class S>
concept scores_rows = requires(key_row<float> row) {
  { S::score(row, 0) } -> std::convertible_to<std::uint64_t>;
};

template <class S>
concept scores_terms = requires {
  { S::term(0.0f) } -> std::convertible_to<std::int64_t>;
};

template <class S>
concept traces_nothing = requires {
  requires !S::traces;
};

}  // namespace detail

/// Says how suspicious a token is: the smallest scores of a group are traced first.
/// requires score(row, pos) -> uint64, or term(x) -> int64, summed over the channels
template <class S>
concept selection_rule =
    detail::scores_rows<S> || detail::scores_terms<S> || detail::traces_nothing<S>;

namespace detail {

template <class T>
OTT_HD constexpr bool row_is_finite(key_row<T> row) {
  for (int c = 0; c < row.size(); ++c) {
    if (!is_finite(row(c))) return false;
  }
  return true;
}

/// A sum of squares or magnitudes, as an integer that orders like it.
OTT_HD constexpr std::uint64_t ordered(double sum) {
  return sum == sum ? bit_cast<std::uint64_t>(sum) : never_traced;
}

}  // namespace detail
}  // namespace ott
