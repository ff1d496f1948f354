// Shares of a group's tensors: what each writes is its part of the whole's bytes, and all together
// leave nothing out.
#include <cstring>
#include <memory>

#include <ott/algo/flush.hpp>
#include <ott/algo/tensor_share.hpp>
#include <support/bit_policies.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

struct wide : ott::paper_policy {
  static constexpr int head_dim = 256;
  static constexpr int value_group = 64;
};
struct small : ott::paper_policy {
  static constexpr int group = 32;
};
struct turned : ott::paper_policy {
  using key_granularity = ott::per_token;
  using value_granularity = ott::per_channel;
};

template <class P>
struct raw_rows {
  ott_test::kv_rows<typename P::element> all;
  auto const* key(int pos) const { return all.key(pos, 0); }
  auto const* value(int pos) const { return all.value(pos, 0); }
};

template <class P, int Count>
void check(int traced) {
  static_assert(ott::quantizes_in_shares<P, Count>);
  raw_rows<P> const rows{ott_test::random_kv<typename P::element>(7, P::group, 1, P::head_dim)};
  auto const scratch = std::make_unique<ott::flush_scratch<P>>();
  auto const whole = std::make_unique<ott::group_block<P>>();
  auto const parts = std::make_unique<ott::group_block<P>>();
  ott::serial_team const team;
  std::memset(static_cast<void*>(whole.get()), 0xaa, sizeof *whole);
  std::memset(static_cast<void*>(parts.get()), 0xaa, sizeof *parts);
  ott::clear_marks<P>(team, *scratch);
  scratch->num_traced = traced;
  for (int i = 0; i < traced; ++i) scratch->marks[i % (P::group / 32)] |= 1u << (5 * i + 3) % 32;

  auto const quantize = [&](ott::group_block<P>& block, auto share) {
    auto const load = [&](auto const& row_of) {  // exact tensors need no tile
      if constexpr (ott::flush_scratch<P>::needs_tile) ott::load_tile<P>(team, *scratch, row_of);
    };
    load([&](int token) { return rows.key(token); });
    ott::quantize_keys<P>(team, *scratch, rows, block, 0, share);
    load([&](int token) { return rows.value(token); });
    ott::quantize_values<P>(team, *scratch, rows, block, 0, share);
  };
  quantize(*whole, ott::whole_tensor{});
  for (int i = Count - 1; i >= 0; --i) {
    CHECK(std::memcmp(whole.get(), parts.get(), sizeof *whole) != 0);
    quantize(*parts, ott::tensor_share<Count>{i});
  }
  CHECK(std::memcmp(whole.get(), parts.get(), sizeof *whole) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("four shares of a tensor are the whole", "", ott::paper_policy,
                   ott::dense_policy, ott_test::four_bits_symmetric, ott_test::three_bits, wide) {
  check<TestType, 4>(0);
  check<TestType, 4>(3);
}

TEST_CASE("two shares of a tensor are the whole") { check<ott::paper_policy, 2>(2); }

TEST_CASE("tensors that fall into no such shares say so") {
  CHECK_FALSE(ott::quantizes_in_shares<small, 4>);   // one step of values
  CHECK_FALSE(ott::quantizes_in_shares<turned, 4>);  // the granularities exchanged
  CHECK(ott::quantizes_in_shares<small, 1>);
}
