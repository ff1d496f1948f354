// Groups quantized with barriers in common, against the steps one by one.
#include <cstring>
#include <memory>

#include <ott/algo/flush.hpp>
#include <ott/algo/lowest_tokens.hpp>
#include <ott/algo/quantize_untraced.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

struct narrow : ott::paper_policy {
  using key_quantizer = ott::affine<1>;
  using value_quantizer = ott::affine<1>;
  static constexpr int head_dim = 80, group = 32, pool = 5, value_group = 16;
};
struct four_bits : ott::paper_policy {
  using key_quantizer = ott::affine<4>;
  using value_quantizer = ott::affine<4>;
};

template <class P>
struct raw_rows {
  ott_test::kv_rows<typename P::element> all;
  auto const* key(int pos) const { return all.key(pos, 0); }
  auto const* value(int pos) const { return all.value(pos, 0); }
};

template <class P>
void check(std::uint64_t seed) {
  raw_rows<P> const rows{ott_test::random_kv<typename P::element>(seed, P::group, 1, P::head_dim)};
  auto const scratch = std::make_unique<ott::flush_scratch<P>>();
  auto const want = std::make_unique<ott::group_block<P>>();
  auto const got = std::make_unique<ott::group_block<P>>();
  ott::serial_team const team;
  std::memset(static_cast<void*>(want.get()), 0, sizeof *want);
  std::memset(static_cast<void*>(got.get()), 0, sizeof *got);
  scratch->num_traced = 0;
  for (auto& word : scratch->marks) word = 0;

  ott::load_tile<P>(team, *scratch, [&](int token) { return rows.key(token); });
  ott::score_group<P>(team, *scratch, 0);
  ott::rank_lowest<P>(team, *scratch);
  int lowest[P::pool];
  for (int i = 0; i < P::pool; ++i) lowest[i] = scratch->order[i];
  ott::quantize_keys<P>(team, *scratch, rows, *want, 0);
  int found = 0;
  auto const compare = [&](int rank, int token) {
    REQUIRE(token == lowest[rank]);
    ++found;
  };
  ott::quantize_untraced_keys<P>(team, *scratch, *got, true,
                                 ott::lowest_tokens<P, decltype(compare)>{*scratch, compare});
  CHECK(found == P::pool);

  ott::load_tile<P>(team, *scratch, [&](int token) { return rows.value(token); });
  ott::quantize_values<P>(team, *scratch, rows, *want, 0);
  ott::quantize_untraced_values<P>(team, *scratch, *got);
  CHECK(std::memcmp(want.get(), got.get(), sizeof *want) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("quantize untraced: the bytes and the lowest tokens of the single steps", "",
                   ott::paper_policy, narrow, four_bits) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) check<TestType>(seed);
}
