#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/core/macros.hpp>

namespace ott {

/// A tensor that is looked at and not owned: [tokens, heads, head_dim], channels contiguous.
/// shape    token_stride and head_stride in elements
template <class T>
struct view {
  T* data = nullptr;
  int tokens = 0;
  int heads = 0;
  int head_dim = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;

  OTT_HD constexpr T* row(int token, int head) const {
    return data + token * token_stride + head * head_stride;
  }
  OTT_HD constexpr T& operator()(int token, int head, int channel) const {
    return row(token, head)[channel];
  }
  /// The same tensor, read-only.
  template <class U>
    requires(std::is_same_v<U, T const> && !std::is_const_v<T>)
  OTT_HD constexpr operator view<U>() const {
    return {data, tokens, heads, head_dim, token_stride, head_stride};
  }
  OTT_HD constexpr view slice(int first, int count) const {
    return {data + first * token_stride, count, heads, head_dim, token_stride, head_stride};
  }
};

/// A view over densely packed rows.
template <class T>
OTT_HD constexpr view<T> dense_view(T* data, int tokens, int heads, int head_dim) {
  return {data, tokens, heads, head_dim, std::int64_t{heads} * head_dim, head_dim};
}

}  // namespace ott
