#pragma once

#include <ott/algo/code_pair.hpp>
#include <ott/core/macros.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

/// One of Count equal parts of a group's tensor, which a team quantizes without the others:
/// neighbouring channels where channels have parameters, else neighbouring tokens.
template <int Count>
struct tensor_share {
  static constexpr int count = Count;
  int index;

  /// The first of so many slices, tokens or channels that is its own.
  OTT_HD constexpr int first(int items) const { return index * (items / Count); }
  OTT_HD static constexpr int size(int items) { return items / Count; }
};

using whole_tensor = tensor_share<1>;

namespace detail {

/// Does every share own whole pairs of words of a plane? See code_pair.
template <class Plane, class Map, int Count>
inline constexpr bool owns_words = code_pair<Plane, Map>::turns % Count == 0;

template <class P, class Layout, int Count>
inline constexpr bool divides = [] {
  using codes = typename Layout::codes;
  if constexpr (Layout::exact) {
    return P::group % Count == 0;
  } else {
    bool const channels = Layout::padded_channels == P::head_dim && P::head_dim % (8 * Count) == 0;
    bool const slices = Layout::by_channel ? channels : P::group % (32 * Count) == 0;
    bool const words = owns_words<typename codes::low_plane, typename Layout::map, Count>;
    if constexpr (codes::split) {
      return slices && words && owns_words<typename codes::high_plane, typename Layout::map, Count>;
    } else {
      return slices && words;
    }
  }
}();

}  // namespace detail

/// Can both tensors of a group be quantized in so many shares each? Keys with parameters a channel
/// and values with parameters a token.
template <class P, int Count>
inline constexpr bool quantizes_in_shares =
    (exact_keys<P> || key_layout<P>::by_channel) &&
    (exact_values<P> || !value_layout<P>::by_channel) &&
    detail::divides<P, key_layout<P>, Count>&& detail::divides<P, value_layout<P>, Count>;

}  // namespace ott
