#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>

namespace ott {

/// One KV head of one sequence in one layer, as algorithms and foreign kernels see it.
template <class P>
struct sequence_view {
  head_state<P>* state;
  group_block<P>* blocks;  // the layer's blocks: [page][kv_head]
  std::int32_t const* pages;
  int max_groups;
  int num_kv_heads;
  int kv_head;

  OTT_HD constexpr bool has_page(int group) const {
    return group < max_groups && pages[group] >= 0;
  }
  OTT_HD constexpr group_block<P>& block(int group) const {
    return blocks[static_cast<std::int64_t>(pages[group]) * num_kv_heads + kv_head];
  }
};

/// All sequences of one layer: what crosses from the cache to a backend, by value.
/// shape    blocks: [page][kv_head]; page_table: [slot][max_groups];
///          heads: [slot][heads_per_slot], of which the layer's kv_heads come first
template <class P>
struct layer_view {
  group_block<P>* blocks;
  head_state<P>* heads;
  std::int32_t const* page_table;  // -1: no page
  int max_groups;
  int heads_per_slot;  // layers * kv_heads: a slot's records of all layers lie together
  int num_kv_heads;
  int pool_capacity;   // <= P::pool: the paper traces nothing in its first two layers
  std::int32_t* flag;  // set to 1 by a step that lacks a page and therefore changes nothing

  OTT_HD constexpr sequence_view<P> sequence(int slot, int kv_head) const {
    return {heads + static_cast<std::int64_t>(slot) * heads_per_slot + kv_head,
            blocks,
            page_table + static_cast<std::int64_t>(slot) * max_groups,
            max_groups,
            num_kv_heads,
            kv_head};
  }
};

}  // namespace ott
