// Whole flushes beside the oracle: score, trace, substitute, quantize, pack; the steps on corner
// cases.
#include <cmath>

#include <ott/algo/flush.hpp>
#include <support/against_oracle.hpp>
#include <support/catch.hpp>
#include <support/one_head.hpp>
#include <support/policies.hpp>
#include <support/random_kv.hpp>

namespace {

using ott_test::kv_rows;
using ott_test::one_head;

template <class P>
naive::head_cache oracle_of(kv_rows<typename P::element> const& rows, int pool = P::pool) {
  naive::head_cache oracle{ott_test::method_of<P>(), pool};
  for (int t = 0; t < rows.tokens; ++t) {
    oracle.append(ott_test::widened_token<P>(rows.key(t, 0), rows.value(t, 0)));
  }
  return oracle;
}

template <class P>
void check_against_oracle(std::uint64_t seed, int groups, int pool = P::pool) {
  int const tokens = groups * P::group + P::residual + static_cast<int>(seed % P::group);
  auto const rows = ott_test::random_kv<typename P::element>(seed, tokens, 1, P::head_dim);
  one_head<P> head{groups};
  REQUIRE(head.append(rows.keys(), rows.values(), pool));
  INFO("seed " << seed);
  REQUIRE(ott_test::disagreement<P>(
              *head.state, [&](int g) -> auto& { return head.block(g); },
              oracle_of<P>(rows, pool)) == "");
}

struct all_traced : ott_test::small {
  static constexpr int pool = 40;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("flush: small policies leave what the oracle leaves", "",
                        ott_test::small_policies) {
  if constexpr (ott_test::known_to_oracle<TestType>) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) check_against_oracle<TestType>(seed, 5);
  }
  SUCCEED();
}

TEMPLATE_LIST_TEST_CASE("flush: built-in policies leave what the oracle leaves", "",
                        ott_test::built_in_policies) {
  check_against_oracle<TestType>(1, 2);
}

TEST_CASE("flush: the pool may be lowered at run time") {
  for (int pool = 0; pool < 3; ++pool) check_against_oracle<ott_test::small>(17, 6, pool);
}

TEST_CASE("flush: where every token is traced, zero stands in and nothing is read of the group") {
  auto const rows = ott_test::random_kv<ott::half>(5, 40, 1, 64);
  one_head<all_traced> head{1};
  REQUIRE(head.append(rows.keys(), rows.values()));
  CHECK(head.state->num_traced == 32);
  auto const& block = head.block(0);
  for (int t = 0; t < 32; ++t) {
    CHECK(block.marked(t));
    for (int c = 0; c < 64; ++c) {
      REQUIRE(block.key(t, c) == 0.0f);
      REQUIRE(block.value(t, c) == 0.0f);
    }
  }
}

TEST_CASE("flush: NaN and infinity are not traced, and leave finite parameters and legal codes") {
  auto rows = ott_test::random_kv<ott::half>(6, 4 * 32 + 8, 1, 64);
  ott_test::plant_non_finite(rows, 7, 3);
  one_head<ott_test::small> head{4};
  REQUIRE(head.append(rows.keys(), rows.values()));
  REQUIRE(head.state->num_groups == 4);
  for (int e = 0; e < head.state->num_traced; ++e) {
    for (int c = 0; c < 64; ++c) REQUIRE(ott::is_finite(head.state->traced_k[e * 64 + c]));
  }
  for (int g = 0; g < 4; ++g) {
    for (int t = 0; t < 32; ++t) {
      for (int c = 0; c < 64; ++c) {
        REQUIRE(std::isfinite(head.block(g).key(t, c)));
        REQUIRE(std::isfinite(head.block(g).value(t, c)));
      }
    }
  }
}

TEST_CASE("flush: a NaN reads as its slice's lowest value, infinities as its ends") {
  kv_rows<ott::half> rows = ott_test::random_kv<ott::half>(8, 40, 1, 64);
  for (int t = 0; t < 40; ++t) {
    for (int c = 0; c < 64; ++c) {
      rows.key(t, 0)[c] = ott::from_float<ott::half>(1.0f + static_cast<float>(t % 4));
    }
  }
  rows.key(3, 0)[10] = ott::from_float<ott::half>(NAN);
  rows.key(4, 0)[11] = ott::from_float<ott::half>(INFINITY);
  rows.key(5, 0)[12] = ott::from_float<ott::half>(-INFINITY);
  one_head<ott_test::small> head{1};
  REQUIRE(head.append(rows.keys(), rows.values()));
  auto const& block = head.block(0);
  CHECK(block.key(3, 10) == 1.0f);
  CHECK(block.key_code(4, 11) == 3);
  CHECK(block.key_code(5, 12) == 0);
  CHECK(ott::to_float(block.key_param(0, 11, 0)) == 65504.0f);
  CHECK(ott::to_float(block.key_param(0, 12, 1)) == -65504.0f);
}

TEST_CASE("flush: a zero key has factor zero and a zero row") {
  auto rows = ott_test::random_kv<ott::half>(9, 40, 1, 80);
  for (int c = 0; c < 80; ++c) rows.key(7, 0)[c] = ott::half{0};
  one_head<ott_test::factored> head{1};
  REQUIRE(head.append(rows.keys(), rows.values(), 0));
  CHECK(head.block(0).key_factor(7) == 0.0f);
  CHECK(head.block(0).key(7, 11) == 0.0f);
}

TEST_CASE("flush: a refitted factor makes <k, k'> = <k, k>") {
  using P = ott_test::small_rotated;
  auto const rows = ott_test::random_kv<ott::half>(10, 40, 1, 64);
  one_head<P> head{1};
  REQUIRE(head.append(rows.keys(), rows.values()));
  for (int t = 0; t < 32; ++t) {
    if (head.block(0).marked(t)) continue;
    naive::row const k = naive::hadamard(ott_test::widened<P>(rows.key(t, 0)));
    double own = 0;
    double read = 0;
    for (int c = 0; c < 64; ++c) {
      own += k[static_cast<std::size_t>(c)] * k[static_cast<std::size_t>(c)];
      read += k[static_cast<std::size_t>(c)] * static_cast<double>(head.block(0).key(t, c));
    }
    if (read <= 0) continue;
    CHECK(read == Approx(own).epsilon(2e-3));
  }
}
