// affine, symmetric, pass-through and what a quantizer of one's own needs.
#include <cmath>

#include <oracle/naive.hpp>
#include <ott/policy/affine.hpp>
#include <ott/policy/passthrough.hpp>
#include <ott/policy/quantizer.hpp>
#include <ott/policy/symmetric.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

using ott::half;

/// The code whose decoded value is nearest, by trying all.
template <class Q>
double nearest_distance(typename Q::params p, float x) {
  double best = INFINITY;
  for (int code = 0; code <= Q::max_code; ++code) {
    best =
        std::min(best, std::abs(static_cast<double>(x) - static_cast<double>(Q::decode(p, code))));
  }
  return best;
}

template <class Q>
void check_quantizer(naive::coding kind) {
  naive::coder const oracle{kind, Q::bits, naive::number::fp16};
  ott_test::random_source random{static_cast<std::uint64_t>(Q::bits)};
  for (int round = 0; round < 200; ++round) {
    double const size = std::exp2(random.below(24) - 12.0);
    auto const a = static_cast<float>(size * random.normal());
    auto const b = static_cast<float>(size * random.normal());
    float const lo = std::min(a, b);
    float const hi = std::max(a, b);
    auto const p = ott::stored<Q, half>(Q::fit(lo, hi));
    naive::params const want = oracle.of_range(lo, hi);
    REQUIRE(static_cast<double>(p.scale) == want.scale);
    if constexpr (ott::num_params<Q>() == 2) REQUIRE(static_cast<double>(p.zero) == want.zero);
    for (int i = 0; i <= 50; ++i) {
      float const x = lo + (hi - lo) * static_cast<float>(i) / 50.0f;
      int const code = Q::encode(p, x);
      REQUIRE(code >= 0);
      REQUIRE(code <= Q::max_code);
      REQUIRE(code == oracle.encode(want, x));
      double const off = std::abs(static_cast<double>(x) - static_cast<double>(Q::decode(p, code)));
      // Rounding of the division may prefer a neighbour that is as near.
      REQUIRE(off <= nearest_distance<Q>(p, x) * (1 + 1e-5) + 1e-6 * (std::abs(x) + size));
      REQUIRE(Q::encode(p, Q::decode(p, code)) == code);
    }
    auto const line = Q::affine_of(p);
    for (int code = 0; code <= Q::max_code; ++code) {
      double const at = static_cast<double>(line.zero) + static_cast<double>(line.scale) * code;
      REQUIRE(static_cast<double>(Q::decode(p, code)) == Approx(at).margin(1e-5 * size));
    }
  }
}

/// Holds two parameters and no affine_of: legal.
struct plain {
  static constexpr int bits = 2;
  struct params {
    float a;
    float b;
  };
  static constexpr params fit(float lo, float hi) { return {lo, hi}; }
  static constexpr int encode(params, float) { return 0; }
  static constexpr float decode(params p, int) { return p.a; }
};
struct no_decode {
  static constexpr int bits = 2;
  struct params {
    float a;
  };
  static constexpr params fit(float, float hi) { return {hi}; }
  static constexpr int encode(params, float) { return 0; }
};

static_assert(ott::quantizer<ott::affine<2>> && ott::quantizer<ott::symmetric<4>>);
static_assert(ott::quantizer<ott::no_quantizer> && ott::quantizer<plain>);
static_assert(!ott::quantizer<no_decode> && !ott::quantizer<int>);
static_assert(ott::detail::is_affine<ott::affine<2>> && !ott::detail::is_affine<plain>);
static_assert(ott::num_params<ott::affine<2>>() == 2 && ott::num_params<ott::symmetric<2>>() == 1);
static_assert(ott::num_params<ott::no_quantizer>() == 0);

}  // namespace

TEST_CASE("quantizer: affine against the formula and against trying every code") {
  check_quantizer<ott::affine<1>>(naive::coding::affine);
  check_quantizer<ott::affine<2>>(naive::coding::affine);
  check_quantizer<ott::affine<3>>(naive::coding::affine);
  check_quantizer<ott::affine<4>>(naive::coding::affine);
  check_quantizer<ott::affine<8>>(naive::coding::affine);
}

TEST_CASE("quantizer: symmetric against the formula and against trying every code") {
  check_quantizer<ott::symmetric<2>>(naive::coding::symmetric);
  check_quantizer<ott::symmetric<3>>(naive::coding::symmetric);
  check_quantizer<ott::symmetric<4>>(naive::coding::symmetric);
  check_quantizer<ott::symmetric<8>>(naive::coding::symmetric);
}

TEST_CASE("quantizer: a constant or very narrow range gives codes that read as the value") {
  using q = ott::affine<2>;
  auto const constant = ott::stored<q, half>(q::fit(0.5f, 0.5f));
  CHECK(q::encode(constant, 0.5f) == 0);
  CHECK(q::decode(constant, 0) == 0.5f);
  auto const narrow = ott::stored<q, half>(q::fit(0x1p-30f, 0x1p-29f));  // both round to 0
  CHECK(narrow.scale == 0.0f);
  CHECK(q::encode(narrow, 0x1p-29f) == 0);
  using s = ott::symmetric<4>;
  auto const zero = ott::stored<s, half>(s::fit(0.0f, 0.0f));
  CHECK(s::decode(zero, s::encode(zero, 0.0f)) == 0.0f);
}

TEST_CASE("quantizer: what is not finite has a code too") {
  using q = ott::affine<2>;
  auto const p = ott::stored<q, half>(q::fit(-INFINITY, INFINITY));
  CHECK(p.scale == 65504.0f);
  CHECK(p.zero == -65504.0f);
  CHECK(q::encode(p, NAN) == 0);
  CHECK(q::encode(p, INFINITY) == 3);
  CHECK(q::encode(p, -INFINITY) == 0);
}

TEST_CASE("quantizer: stored parameters are of the parameter type") {
  auto const p = ott::stored<plain, half>({1.0f + 0x1p-12f, -0.0f});
  CHECK(p.a == 1.0f);
  CHECK_FALSE(std::signbit(p.b));
  auto const same = ott::stored<plain, float>({1.0f + 0x1p-12f, 2.0f});
  CHECK(same.a == 1.0f + 0x1p-12f);
}
