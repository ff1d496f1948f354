#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/core/view.hpp>
#include <ott/layout/head_state.hpp>

namespace ott {

/// Raw key and value rows of one KV head by position: older ones from the window, newer ones from
/// the call's own input, which they need not leave before they are flushed.
/// shape    new_k, new_v: [tokens, kv_heads, head_dim]; row 0 is position `first_new`
template <class P>
struct position_rows {
  using element = typename P::element;

  head_state<P> const* state;
  view<element const> new_k;
  view<element const> new_v;
  int kv_head;
  int first_new;

  OTT_HD constexpr element const* key(int pos) const {
    return pos < first_new ? state->window_k + head_state<P>::window_row(pos)
                           : new_k.row(pos - first_new, kv_head);
  }
  OTT_HD constexpr element const* value(int pos) const {
    return pos < first_new ? state->window_v + head_state<P>::window_row(pos)
                           : new_v.row(pos - first_new, kv_head);
  }

  /// Rows of positions `first` + i for i in 0 .. window - 1, with one division for all of them.
  struct window_run {
    element const* window;
    int first_slot;
    OTT_HD constexpr element const* operator()(int i) const {
      int const slot = first_slot + i;
      return window + (slot < window_capacity<P> ? slot : slot - window_capacity<P>)*P::head_dim;
    }
  };
  /// requires all of them lie in the window
  OTT_HD constexpr window_run in_window(int first, bool keys) const {
    return {keys ? state->window_k : state->window_v, first % window_capacity<P>};
  }
};

}  // namespace ott
