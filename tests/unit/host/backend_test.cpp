// The host backend by itself, over memory of a test: batches, flags, set_length.
#include <vector>

#include <ott/host/backend.hpp>
#include <support/bytes.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>
#include <support/random_kv.hpp>

namespace {

using P = ott_test::small;
constexpr int heads = 2;
constexpr int max_groups = 3;

/// Three slots of two heads in one layer; each slot has its own pages.
struct one_layer {
  std::vector<ott::head_state<P>> states{3 * heads};
  std::vector<ott::group_block<P>> blocks{3 * max_groups * heads};
  std::vector<std::int32_t> table{8, 7, 6, 5, 4, 3, 2, 1, 0};
  std::int32_t flag = 0;

  ott::layer_view<P> view() {
    return {blocks.data(), states.data(), table.data(), max_groups, heads, heads, P::pool, &flag};
  }
  ott_test::bytes slot(int s) {
    ott_test::bytes all;
    for (int h = 0; h < heads; ++h) {
      auto const seq = view().sequence(s, h);
      ott_test::add_head(all, *seq.state);
      for (int g = 0; g < seq.state->num_groups; ++g) ott_test::add_group(all, seq.block(g));
    }
    return all;
  }
};

}  // namespace

TEST_CASE("host backend: a batch appends each sequence its own rows") {
  auto const rows = ott_test::random_kv<ott::half>(1, 100, heads, 64);
  std::int32_t const slots[] = {2, 0};
  std::int32_t const begin[] = {0, 60, 100};
  one_layer together;
  ott::host_backend<P> backend;
  backend.append(together.view(), {2, 100, 60, slots, begin}, rows.keys(), rows.values(), {});
  one_layer alone;
  std::int32_t const first[] = {0, 60};
  std::int32_t const second[] = {0, 40};
  auto const a = rows.slice(0, 60);
  auto const b = rows.slice(60, 40);
  backend.append(alone.view(), {1, 60, 60, slots, first}, a.keys(), a.values(), {});
  backend.append(alone.view(), {1, 40, 40, slots + 1, second}, b.keys(), b.values(), {});
  for (int s = 0; s < 3; ++s) {
    CHECK(ott_test::difference(together.slot(s), alone.slot(s)) == "");
  }
  CHECK(together.states[0].length == 40);
  CHECK(together.states[2].length == 0);
  CHECK(together.states[4].length == 60);
  CHECK(together.flag == 0);
}

TEST_CASE("host backend: a sequence without a page raises the flag; others are served") {
  auto const rows = ott_test::random_kv<ott::half>(2, 80, heads, 64);
  one_layer layer;
  layer.table[3] = -1;  // slot 1, group 0
  std::int32_t const slots[] = {1, 0};
  std::int32_t const begin[] = {0, 40, 80};
  ott::host_backend<P>{}.append(layer.view(), {2, 80, 40, slots, begin}, rows.keys(), rows.values(),
                                {});
  CHECK(layer.flag == 1);
  CHECK(layer.states[2].length == 0);
  CHECK(layer.states[3].length == 0);
  CHECK(layer.states[0].length == 40);
}

TEST_CASE("host backend: set_length cuts every head") {
  one_layer layer;
  ott::host_backend<P> backend;
  layer.states[2].length = layer.states[3].length = 20;
  backend.set_length(layer.view(), 1, 7, {});
  CHECK(layer.states[2].length == 7);
  CHECK(layer.states[3].length == 7);
}

TEST_CASE("host backend: memory is aligned for blocks and states") {
  ott::host_backend<P> backend;
  void* const p = backend.allocate(1000);
  CHECK(reinterpret_cast<std::uintptr_t>(p) % 128 == 0);
  backend.fill(p, 7, 1000, {});
  CHECK(static_cast<char*>(p)[999] == 7);
  backend.deallocate(p, 1000);
  CHECK(backend.workspace_bytes(1, 1, 1, 1) == 0);
}
