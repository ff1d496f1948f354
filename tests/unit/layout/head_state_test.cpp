// Window, pools, and how many groups a length makes; views into a layer.
#include <memory>
#include <vector>

#include <ott/layout/batch_view.hpp>
#include <ott/layout/head_state.hpp>
#include <ott/layout/layer_view.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

namespace {

/// Token by token, as the method says: a full window flushes one group.
template <class P>
int groups_by_counting(int length) {
  int groups = 0;
  for (int l = 1; l <= length; ++l) {
    if (l - groups * P::group == P::residual + P::group) ++groups;
  }
  return groups;
}

template <class P>
void check_groups() {
  for (int length = 0; length < 5 * P::group + P::residual; ++length) {
    int const groups = groups_by_counting<P>(length);
    REQUIRE(ott::groups_after<P>(0, length) == groups);
    REQUIRE(length - groups * P::group < ott::window_capacity<P>);
    for (int before = 0; before <= groups; ++before) {
      REQUIRE(ott::groups_after<P>(before, length) == groups);
    }
    // Truncated: a flush is not undone.
    REQUIRE(ott::groups_after<P>(groups + 1, (groups + 1) * P::group) == groups + 1);
  }
}

}  // namespace

TEST_CASE("head state: groups follow from the length as token by token") {
  check_groups<ott::paper_policy>();
  check_groups<ott_test::small>();
  check_groups<ott_test::four_bit>();      // R = 0
  check_groups<ott_test::value_groups>();  // R > G
}

TEST_CASE("head state: ring rows of the window never collide") {
  using state = ott::head_state<ott_test::small>;
  for (int begin = 0; begin < 200; begin += 32) {
    std::vector<bool> taken(ott::window_capacity<ott_test::small>, false);
    for (int pos = begin; pos < begin + ott::window_capacity<ott_test::small>; ++pos) {
      auto const row = static_cast<std::size_t>(state::window_row(pos) / 64);
      REQUIRE(row < taken.size());
      REQUIRE_FALSE(taken[row]);
      taken[row] = true;
    }
  }
}

TEST_CASE("head state: tensors are aligned for wide loads, a policy without pools still compiles") {
  using state = ott::head_state<ott::paper_policy>;
  auto const s = std::make_unique<state>();
  auto const at = [&](void const* p) {
    return static_cast<char const*>(p) - reinterpret_cast<char const*>(s.get());
  };
  CHECK(at(s->window_k) % 128 == 0);
  CHECK(at(s->window_v) % 128 == 0);
  CHECK(at(s->traced_k) % 128 == 0);
  CHECK(at(s->traced_v) % 128 == 0);
  CHECK(sizeof(state) % 128 == 0);
  CHECK(sizeof(ott::head_state<ott::kivi_policy>) < sizeof(state));
}

TEST_CASE("layer view: a head's state and its blocks") {
  using P = ott_test::small;
  std::vector<ott::group_block<P>> blocks(4 * 3);
  std::vector<ott::head_state<P>> heads(2 * 6);
  std::int32_t const table[] = {2, -1, 0, 3};
  ott::layer_view<P> layer{};
  layer.blocks = blocks.data();
  layer.heads = heads.data() + 3;  // the second of two layers of three heads
  layer.page_table = table;
  layer.max_groups = 2;
  layer.heads_per_slot = 6;
  layer.num_kv_heads = 3;
  auto const seq = layer.sequence(1, 2);
  CHECK(seq.state == &heads[6 + 3 + 2]);
  CHECK(&seq.block(1) == &blocks[3 * 3 + 2]);
  CHECK(seq.has_page(1));
  CHECK_FALSE(seq.has_page(2));
  CHECK_FALSE(layer.sequence(0, 0).has_page(1));
}

TEST_CASE("batch view: empty by default") {
  CHECK(ott::batch_view{}.count == 0);
  CHECK(ott::batch_view{}.slot == nullptr);
}
