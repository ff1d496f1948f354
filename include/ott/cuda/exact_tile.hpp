#pragma once

#include <ott/core/bits.hpp>
#include <ott/layout/group_block.hpp>

namespace ott {

/// Can 16-bit tensor cores attend to this policy's exact rows as they lie?
template <class P>
inline constexpr bool has_exact_rows = sizeof(typename P::element) == 2;

/// Are this policy's groups exact rows too?
template <class P>
inline constexpr bool has_exact_groups =
    has_exact_rows<P>&& exact_keys<P>&& exact_values<P>&& traced_capacity<P> == 0 &&
    P::group % 16 == 0;

/// Sixteen exact rows in shared memory; an odd number of 16-byte words a row keeps eight rows in
/// different banks.
template <class P>
struct exact_tile {
  static constexpr int tokens = 16;
  static constexpr int length = P::head_dim + 8;  // elements a row
  static constexpr int bytes = round_up(tokens * length * 2, 128);
};

}  // namespace ott
