#include <ott/policy/substitution.hpp>
#include <support/catch.hpp>

static_assert(ott::substitution<ott::mean_of_untraced> && ott::substitution<ott::zero_substitute>);
static_assert(!ott::substitution<int>);
static_assert(ott::mean_of_untraced::of(6.0f, 3, 1.0f, 3.0f) == 2.0f);
static_assert(ott::mean_of_untraced::of(0.0f, 0, 0.0f, 0.0f) == 0.0f, "every token is traced");
static_assert(ott::zero_substitute::of(6.0f, 3, 1.0f, 3.0f) == 0.0f);

TEST_CASE("substitution: a rounded mean does not widen the range") {
  float const x = 0.1f;
  float sum = 0;
  for (int i = 0; i < 127; ++i) sum += x;
  CHECK(sum / 127 != x);  // the sum of many alike is off by rounding
  CHECK(ott::mean_of_untraced::of(sum, 127, x, x) == x);
}
