#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

namespace ott_test {

using bytes = std::vector<unsigned char>;

namespace detail {

inline void add_bytes(bytes& to, void const* from, std::size_t size) {
  auto const* const first = static_cast<unsigned char const*>(from);
  to.insert(to.end(), first, first + size);
}

}  // namespace detail

/// Everything a flushed group says: codes, parameters, factors, marks. Not its padding.
template <class P>
void add_group(bytes& to, ott::group_block<P> const& block) {
  using keys = ott::key_layout<P>;
  using values = ott::value_layout<P>;
  using param = typename P::param;
  detail::add_bytes(to, block.key_codes(), keys::num_code_items * sizeof *block.key_codes());
  detail::add_bytes(to, block.value_codes(), values::num_code_items * sizeof *block.value_codes());
  if constexpr (keys::num_param_items > 0) {
    detail::add_bytes(to, block.key_params(), keys::num_param_items * sizeof(param));
  }
  if constexpr (values::num_param_items > 0) {
    detail::add_bytes(to, block.value_params(), values::num_param_items * sizeof(param));
  }
  if constexpr (P::key_factor::present) {
    detail::add_bytes(to, block.key_factors(), P::group * sizeof(ott::half));
  }
  detail::add_bytes(to, block.v.marks, sizeof block.v.marks);
}

/// Everything a head says outside its groups, and nothing it does not: rows and entries in use.
template <class P>
void add_head(bytes& to, ott::head_state<P> const& state) {
  std::int32_t const header[] = {state.length, state.num_groups, state.num_traced};
  detail::add_bytes(to, header, sizeof header);
  std::size_t const row = P::head_dim * sizeof(typename P::element);
  for (int e = 0; e < state.num_traced; ++e) {
    ott::traced_entry const& entry = state.entries[e];
    detail::add_bytes(to, &entry.score, sizeof entry.score);
    detail::add_bytes(to, &entry.pos, sizeof entry.pos);
    detail::add_bytes(to, &entry.evicted, sizeof entry.evicted);
    detail::add_bytes(to, state.traced_k + e * P::head_dim, row);
    detail::add_bytes(to, state.traced_v + e * P::head_dim, row);
  }
  for (int pos = state.window_begin(); pos < state.length; ++pos) {
    int const at = ott::head_state<P>::window_row(pos);
    detail::add_bytes(to, state.window_k + at, row);
    detail::add_bytes(to, state.window_v + at, row);
  }
}

/// The first place where two byte strings differ, in words; empty when they are the same.
inline std::string difference(bytes const& a, bytes const& b) {
  if (a == b) return {};
  if (a.size() != b.size()) {
    return "sizes " + std::to_string(a.size()) + " and " + std::to_string(b.size());
  }
  std::size_t at = 0;
  std::size_t count = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) {
      at = i;
      ++count;
    }
  }
  return std::to_string(count) + " of " + std::to_string(a.size()) +
         " bytes differ, the first at " + std::to_string(at);
}

}  // namespace ott_test
