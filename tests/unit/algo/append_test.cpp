#include <cstring>

#include <ott/algo/append.hpp>
#include <ott/algo/position_rows.hpp>
#include <support/bytes.hpp>
#include <support/catch.hpp>
#include <support/one_head.hpp>
#include <support/policies.hpp>
#include <support/random_kv.hpp>

namespace {

using P = ott_test::small;

ott_test::bytes raw(ott_test::one_head<P> const& head) {
  ott_test::bytes all;
  ott_test::detail::add_bytes(all, head.state.get(), sizeof *head.state);
  ott_test::detail::add_bytes(all, head.blocks.data(), head.blocks.size() * sizeof head.blocks[0]);
  return all;
}

}  // namespace

TEST_CASE("append: the plan follows from lengths") {
  ott::head_state<P> state{};
  state.length = 39;
  auto const plan = ott::plan_append(state, 1);
  CHECK(plan.new_length == 40);
  CHECK(plan.new_groups == 1);
  CHECK(ott::plan_append(state, 0).new_groups == 0);
  CHECK(ott::plan_append(state, 33).new_groups == 2);
}

TEST_CASE("append: without a page nothing changes, however many are there before it") {
  auto const rows = ott_test::random_kv<ott::half>(1, 130, 1, 64);
  ott_test::one_head<P> head{3};
  auto const first = rows.slice(0, 30);
  REQUIRE(head.append(first.keys(), first.values()));
  auto const before = raw(head);
  auto const rest = rows.slice(30, 100);
  head.pages[1] = -1;
  CHECK_FALSE(head.append(rest.keys(), rest.values()));
  CHECK(ott_test::difference(raw(head), before) == "");
  head.pages[1] = 1;
  CHECK(head.append(rest.keys(), rest.values()));
  auto const full = raw(head);
  CHECK_FALSE(head.append(first.keys(), first.values()));  // a fourth group
  CHECK(ott_test::difference(raw(head), full) == "");
}

TEST_CASE("append: nothing appended, nothing changed") {
  ott_test::one_head<P> head{1};
  auto const before = raw(head);
  CHECK(head.append({nullptr, 0, 1, 64, 64, 64}, {nullptr, 0, 1, 64, 64, 64}));
  CHECK(ott_test::difference(raw(head), before) == "");
}

TEST_CASE("append: rows may come strided, from one head of several") {
  auto const rows = ott_test::random_kv<ott::half>(2, 100, 3, 64);
  ott_test::one_head<P> dense{2};
  ott_test::one_head<P> strided{2};
  ott_test::kv_rows<ott::half> own{100, 1, 64, {}, {}};
  for (int t = 0; t < 100; ++t) {
    own.k.insert(own.k.end(), rows.key(t, 2), rows.key(t, 2) + 64);
    own.v.insert(own.v.end(), rows.value(t, 2), rows.value(t, 2) + 64);
  }
  REQUIRE(dense.append(own.keys(), own.values()));
  auto const cut = [](ott::view<ott::half const> all) {
    return ott::view<ott::half const>{all.row(0, 2), all.tokens, 1, 64, all.token_stride, 64};
  };
  REQUIRE(strided.append(cut(rows.keys()), cut(rows.values())));
  ott_test::bytes a;
  ott_test::bytes b;
  ott_test::add_head(a, *dense.state);
  ott_test::add_head(b, *strided.state);
  for (int g = 0; g < 2; ++g) {
    ott_test::add_group(a, dense.block(g));
    ott_test::add_group(b, strided.block(g));
  }
  CHECK(ott_test::difference(a, b) == "");
}

TEST_CASE("append: rows by position come from the window or from the call") {
  auto const rows = ott_test::random_kv<ott::half>(3, 20, 1, 64);
  ott_test::one_head<P> head{1};
  auto const first = rows.slice(0, 12);
  REQUIRE(head.append(first.keys(), first.values()));
  auto const rest = rows.slice(12, 8);
  ott::position_rows<P> const by_pos{head.state.get(), rest.keys(), rest.values(), 0, 12};
  for (int pos = 0; pos < 20; ++pos) {
    CHECK(std::memcmp(by_pos.key(pos), rows.key(pos, 0), 64 * 2) == 0);
    CHECK(std::memcmp(by_pos.value(pos), rows.value(pos, 0), 64 * 2) == 0);
  }
}
