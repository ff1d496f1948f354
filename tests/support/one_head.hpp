#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <ott/algo/append.hpp>
#include <ott/algo/flush_scratch.hpp>
#include <ott/layout/layer_view.hpp>

namespace ott_test {

/// The memory of one KV head of one sequence, without a container: what algorithms are tested on.
template <class P>
struct one_head {
  using element = typename P::element;

  explicit one_head(int max_groups)
      : state{std::make_unique<ott::head_state<P>>()},
        blocks(static_cast<std::size_t>(max_groups > 0 ? max_groups : 1)),
        pages(static_cast<std::size_t>(max_groups)),
        scratch{std::make_unique<ott::flush_scratch<P>>()} {
    // What was there before must not matter: not zero, and not the same in each.
    std::memset(static_cast<void*>(scratch.get()), 0xa5, sizeof *scratch);
    // Pages in reverse, so that nobody takes a group for its page.
    for (int g = 0; g < max_groups; ++g) pages[static_cast<std::size_t>(g)] = max_groups - 1 - g;
  }

  ott::sequence_view<P> view() {
    return {state.get(), blocks.data(), pages.data(), static_cast<int>(pages.size()), 1, 0};
  }
  ott::group_block<P> const& block(int group) const {
    return blocks[static_cast<std::size_t>(pages[static_cast<std::size_t>(group)])];
  }

  template <class Team = ott::serial_team>
  bool append(ott::view<element const> k, ott::view<element const> v, int pool = P::pool,
              Team const& team = {}) {
    return ott::append_tokens<P>(team, *scratch, view(), pool, k, v);
  }

  std::unique_ptr<ott::head_state<P>> state;
  std::vector<ott::group_block<P>> blocks;
  std::vector<std::int32_t> pages;
  std::unique_ptr<ott::flush_scratch<P>> scratch;
};

}  // namespace ott_test
