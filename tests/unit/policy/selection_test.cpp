// min_l1, min_l2, max_l1, first_tokens, trace_none and rules of one's own.
#include <cmath>
#include <vector>

#include <ott/algo/score.hpp>
#include <ott/policy/first_tokens.hpp>
#include <ott/policy/max_l1.hpp>
#include <ott/policy/min_l1.hpp>
#include <ott/policy/min_l2.hpp>
#include <ott/policy/selection.hpp>
#include <ott/policy/trace_none.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

template <class T>
ott::key_row<T> row_of(std::vector<float> const& x) {
  return {x.data(), static_cast<int>(x.size())};
}

template <class Rule, class T>
std::uint64_t score(std::vector<float> const& x, int pos = 0) {
  return Rule::score(row_of<T>(x), pos);
}

template <class T>
std::vector<float> random_row(std::uint64_t seed) {
  auto const rows = ott_test::random_kv<T>(seed, 1, 1, 64);
  std::vector<float> x;
  for (T const e : rows.k) x.push_back(ott::to_float(e));
  return x;
}

/// Scores order as the double sums do, for many pairs of rows.
template <class Rule, class T, class Norm>
void check_order(Norm norm, bool descending) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    auto const a = random_row<T>(2 * seed);
    auto const b = random_row<T>(2 * seed + 1);
    double const na = norm(a);
    double const nb = norm(b);
    auto const sa = score<Rule, T>(a);
    auto const sb = score<Rule, T>(b);
    REQUIRE((na < nb) == (descending ? sb < sa : sa < sb));
    REQUIRE((na == nb) == (sa == sb));
  }
}

double l1(std::vector<float> const& x) {
  double sum = 0;
  for (float v : x) sum += std::abs(static_cast<double>(v));
  return sum;
}
double l2(std::vector<float> const& x) {
  double sum = 0;
  for (float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

struct by_terms {
  OTT_HD static constexpr std::int64_t term(float x) { return static_cast<std::int64_t>(x * x); }
};

static_assert(ott::selection_rule<ott::min_l1> && ott::selection_rule<ott::min_l2>);
static_assert(ott::selection_rule<ott::max_l1> && ott::selection_rule<ott::first_tokens<2>>);
static_assert(ott::selection_rule<ott::trace_none> && ott::selection_rule<by_terms>);
static_assert(!ott::selection_rule<int> && !ott::selection_rule<ott::half>);

}  // namespace

TEMPLATE_TEST_CASE("selection: rules order keys as their norms do", "", ott::half, ott::bf16,
                   float) {
  check_order<ott::min_l1, TestType>(l1, false);
  check_order<ott::min_l2, TestType>(l2, false);
  check_order<ott::max_l1, TestType>(l1, true);
}

TEST_CASE("selection: the fp16 score is the exact sum in units of 2^-24") {
  CHECK(score<ott::min_l1, ott::half>({1.0f, -2.0f, 0x1p-24f, -0.0f}) == (3ull << 24) + 1);
  CHECK(score<ott::min_l1, ott::half>(std::vector<float>(256, 65504.0f)) == 256ull * 65504 << 24);
  // 2^-24 beside 65504: no floating-point sum of 32 bits would see it.
  CHECK(score<ott::min_l1, ott::half>({65504.0f, 0x1p-24f}) ==
        score<ott::min_l1, ott::half>({0x1p-24f, 65504.0f}));
  CHECK(score<ott::min_l1, ott::half>({65504.0f, 0x1p-24f}) == (65504ull << 24) + 1);
}

TEST_CASE("selection: a key that is not finite is never traced") {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> const x{1.0f, bad, 2.0f};
    CHECK(score<ott::min_l1, ott::half>(x) == ott::never_traced);
    CHECK(score<ott::min_l1, float>(x) == ott::never_traced);
    CHECK(score<ott::min_l2, ott::bf16>(x) == ott::never_traced);
    CHECK(score<ott::max_l1, ott::half>(x) == ott::never_traced);
    CHECK(ott::score_of<by_terms>(row_of<float>(x), 0) == ott::never_traced);
  }
}

TEST_CASE("selection: zero keys score lowest, or highest of all that can be traced") {
  std::vector<float> const zero(8, 0.0f);
  CHECK(score<ott::min_l1, ott::half>(zero) == 0);
  CHECK(score<ott::min_l2, float>({-0.0f}) == 0);
  CHECK(score<ott::max_l1, ott::half>(zero) == ott::never_traced - 1);
}

TEST_CASE("selection: first_tokens looks at positions alone") {
  std::vector<float> const x{NAN};
  CHECK(score<ott::first_tokens<2>, ott::half>(x, 0) == 0);
  CHECK(score<ott::first_tokens<2>, ott::half>(x, 1) == 1);
  CHECK(score<ott::first_tokens<2>, ott::half>(x, 2) == ott::never_traced);
}

TEST_CASE("selection: terms are summed over the channels") {
  CHECK(ott::score_of<by_terms>(row_of<float>({3.0f, -4.0f}), 0) == 25);
}
