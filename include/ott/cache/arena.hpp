#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/algo/backend.hpp>
#include <ott/cache/config.hpp>
#include <ott/cache/memory.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// All memory of a cache where its backend computes, and the views into it.
template <class P, class Backend>
class arena {
 public:
  using stream = typename Backend::stream;

  /// requires a completed config
  arena(Backend& backend, cache_config const& config, memory_source const& source, stream s)
      : config_{config}, max_groups_{groups_after<P>(0, config.max_tokens)} {
    if (max_groups_ == 0) max_groups_ = 1;  // an empty table would have no address
    auto const slots = static_cast<std::size_t>(config.max_sequences);
    auto const pages = static_cast<std::size_t>(config.num_pages);
    auto const make = [&](std::size_t bytes) { return buffer<Backend>{backend, source, bytes}; };
    blocks_ = make(sizeof(group_block<P>) * pages * heads_per_slot());
    heads_ = make(slot_bytes() * slots);
    table_ = make(sizeof(std::int32_t) * (slots * static_cast<std::size_t>(max_groups_) + 1));
    workspace_ = make(backend.workspace_bytes(config.max_query_rows, config.num_q_heads,
                                              config.num_kv_heads, config.max_batch_groups));
    if (blocks_.bytes() > 0) backend.fill(blocks_.as(), 0, blocks_.bytes(), s);
    backend.fill(heads_.as(), 0, heads_.bytes(), s);
    backend.fill(table_.as(), 0xff, table_.bytes(), s);
    backend.fill(flag(), 0, sizeof(std::int32_t), s);
    std::size_t const whole = workspace_.bytes();
    std::size_t const cleared = whole < workspace_cleared_bytes ? whole : workspace_cleared_bytes;
    if (cleared > 0) backend.fill(workspace_.as(), 0, cleared, s);
  }

  cache_config const& config() const { return config_; }
  int max_groups() const { return max_groups_; }
  std::size_t slot_bytes() const { return sizeof(head_state<P>) * heads_per_slot(); }

  /// The records of one sequence slot: [layer][kv_head].
  head_state<P>* heads(int slot) const {
    return heads_.template as<head_state<P>>() + static_cast<std::size_t>(slot) * heads_per_slot();
  }
  /// The blocks of one layer: [page][kv_head].
  group_block<P>* blocks(int layer) const {
    return blocks_.template as<group_block<P>>() +
           static_cast<std::size_t>(layer) * static_cast<std::size_t>(config_.num_pages) *
               static_cast<std::size_t>(config_.num_kv_heads);
  }
  std::int32_t* table(int slot, int group) const {
    return table_.template as<std::int32_t>() +
           static_cast<std::size_t>(slot) * static_cast<std::size_t>(max_groups_) + group;
  }
  /// Lies behind the table.
  std::int32_t* flag() const { return table(config_.max_sequences, 0); }

  layer_view<P> layer(int index) const {
    return {blocks(index),
            heads(0) + index * config_.num_kv_heads,
            table(0, 0),
            max_groups_,
            config_.num_layers * config_.num_kv_heads,
            config_.num_kv_heads,
            config_.pool_by_layer[static_cast<std::size_t>(index)],
            flag()};
  }
  buffer<Backend> const& workspace() const { return workspace_; }

  std::size_t bytes() const {
    return blocks_.bytes() + heads_.bytes() + table_.bytes() + workspace_.bytes();
  }

 private:
  std::size_t heads_per_slot() const {
    return static_cast<std::size_t>(config_.num_layers) *
           static_cast<std::size_t>(config_.num_kv_heads);
  }

  cache_config config_;
  int max_groups_;
  buffer<Backend> blocks_;
  buffer<Backend> heads_;
  buffer<Backend> table_;
  buffer<Backend> workspace_;
};

}  // namespace ott
