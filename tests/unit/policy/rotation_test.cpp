#include <cmath>
#include <vector>

#include <oracle/naive.hpp>
#include <ott/policy/key_factor.hpp>
#include <ott/policy/rotation.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

template <int D>
std::vector<float> random_row(std::uint64_t seed) {
  ott_test::random_source random{seed};
  std::vector<float> x(D);
  for (float& v : x) v = static_cast<float>(random.normal());
  return x;
}

template <int D>
void check_hadamard() {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto const x = random_row<D>(seed);
    auto once = x;
    ott::hadamard::apply<D>(once.data());
    naive::row const want = naive::hadamard(naive::row(x.begin(), x.end()));
    double norm = 0;
    double norm_once = 0;
    for (std::size_t c = 0; c < D; ++c) {
      REQUIRE(static_cast<double>(once[c]) == Approx(want[c]).margin(1e-5));
      norm += static_cast<double>(x[c]) * static_cast<double>(x[c]);
      norm_once += static_cast<double>(once[c]) * static_cast<double>(once[c]);
    }
    REQUIRE(norm_once == Approx(norm).epsilon(1e-5));  // orthogonal
    ott::hadamard::apply<D>(once.data());
    for (std::size_t c = 0; c < D; ++c) {  // and its own inverse
      REQUIRE(static_cast<double>(once[c]) == Approx(static_cast<double>(x[c])).margin(1e-5));
    }
  }
}

static_assert(ott::rotation<ott::hadamard> && ott::rotation<ott::no_rotation>);
static_assert(!ott::rotation<int>);
static_assert(ott::hadamard::block<80> == 16 && ott::hadamard::block<96> == 32);

}  // namespace

TEST_CASE("rotation: Hadamard is the definition's matrix, orthogonal and its own inverse") {
  check_hadamard<16>();
  check_hadamard<64>();
  check_hadamard<80>();
  check_hadamard<96>();
  check_hadamard<112>();
  check_hadamard<128>();
  check_hadamard<256>();
}

namespace {

template <int D, int Step>
void apply_step(float* row) {
  if constexpr (Step < ott::hadamard::num_steps<D>) {
    for (int unit = D / ott::hadamard::unit_size<D, Step>; unit-- > 0;) {
      ott::hadamard::apply_unit<D, Step>(row, unit);
    }
    apply_step<D, Step + 1>(row);
  }
}

template <int D>
void check_units() {
  auto whole = random_row<D>(5);
  auto in_units = whole;
  ott::hadamard::apply<D>(whole.data());
  apply_step<D, 0>(in_units.data());
  CHECK(whole == in_units);  // bit for bit: random rows have no zero
}

}  // namespace

TEST_CASE("rotation: unit by unit, in any order, it is the same") {
  check_units<16>();
  check_units<64>();
  check_units<80>();
  check_units<96>();
  check_units<112>();
  check_units<128>();
  check_units<256>();
  check_units<512>();
}

TEST_CASE("rotation: a query and a key rotated alike keep their product") {
  auto q = random_row<128>(1);
  auto k = random_row<128>(2);
  double before = 0;
  double after = 0;
  for (std::size_t c = 0; c < 128; ++c)
    before += static_cast<double>(q[c]) * static_cast<double>(k[c]);
  ott::hadamard::apply<128>(q.data());
  ott::hadamard::apply<128>(k.data());
  for (std::size_t c = 0; c < 128; ++c)
    after += static_cast<double>(q[c]) * static_cast<double>(k[c]);
  CHECK(after == Approx(before).epsilon(1e-4));
}

TEST_CASE("rotation: none leaves the row alone") {
  auto x = random_row<16>(3);
  auto const before = x;
  ott::no_rotation::apply<16>(x.data());
  CHECK(x == before);
}

TEST_CASE("key factor: the norm of the key") {
  float const x[] = {3.0f, -4.0f, 0.0f};
  CHECK(ott::token_norm::of(x, 3) == 5.0f);
  CHECK(ott::token_norm::of(x + 2, 1) == 0.0f);
  static_assert(!ott::no_key_factor::present && ott::token_norm::present);
  static_assert(ott::token_norm_refitted::refitted && !ott::token_norm::refitted);
}
