// min_max, least_squares, high_norm: what each promises of the error, on stored parameters.
#include <cmath>
#include <vector>

#include <oracle/naive.hpp>
#include <ott/policy/affine.hpp>
#include <ott/policy/fit.hpp>
#include <ott/policy/high_norm.hpp>
#include <ott/policy/least_squares.hpp>
#include <ott/policy/symmetric.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

using ott::half;

struct slice {
  std::vector<float> values;
  int size() const { return static_cast<int>(values.size()); }
  float operator()(int i) const { return values[static_cast<std::size_t>(i)]; }
};

slice random_slice(std::uint64_t seed) {
  ott_test::random_source random{seed};
  slice s;
  double const size = std::exp2(random.below(16) - 8.0);
  double const offset = random.one_in(2) ? size * random.normal() : 0.0;
  int const count = 16 + 16 * random.below(8);
  for (int i = 0; i < count; ++i) {
    double const tail = random.one_in(30) ? 6.0 : 1.0;
    s.values.push_back(static_cast<float>(offset + size * tail * random.normal()));
  }
  return s;
}

template <class Q>
double error(slice const& s, typename Q::params p, int norm) {
  double sum = 0;
  for (float x : s.values) {
    sum += std::pow(
        std::abs(static_cast<double>(x) - static_cast<double>(Q::decode(p, Q::encode(p, x)))),
        norm);
  }
  return sum;
}

template <class Q, class Param>
void check_least_squares() {
  double all = 0;
  double all_plain = 0;
  double all_naive = 0;
  naive::number const format =
      std::same_as<Param, half> ? naive::number::fp16 : naive::number::fp32;
  naive::coder const oracle{naive::coding::affine, Q::bits, format};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    slice const s = random_slice(seed);
    naive::row const row(s.values.begin(), s.values.end());
    double const spread = error<Q>(s, {0.0f, s(0)}, 2) + 1e-30;
    double const plain = error<Q>(s, ott::min_max::of<Q, Param>(s), 2) / spread;
    double const fitted = error<Q>(s, ott::least_squares::of<Q, Param>(s), 2) / spread;
    REQUIRE(fitted <= plain * (1 + 1e-5) + 1e-12);
    all += fitted;
    all_plain += plain;
    all_naive += oracle.error(row, oracle.fitted(row, naive::fit::least_squares, 2), 2) / spread;
  }
  CHECK(all < all_plain);
  CHECK(all < all_naive * 1.25);  // near regression from better starts and with no end of rounds
}

template <class Q, int N>
void check_high_norm() {
  double all = 0;
  double all_naive = 0;
  naive::coding const kind =
      ott::num_params<Q>() == 1 ? naive::coding::symmetric : naive::coding::affine;
  naive::coder const oracle{kind, Q::bits, naive::number::fp16};
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    slice const s = random_slice(seed);
    naive::row const row(s.values.begin(), s.values.end());
    auto const range = ott::range_of(s);
    double const unit = std::pow(static_cast<double>(range.hi) - static_cast<double>(range.lo), N);
    double const plain = error<Q>(s, ott::min_max::of<Q, half>(s), N) / unit;
    double const fitted = error<Q>(s, ott::high_norm<N>::template of<Q, half>(s), N) / unit;
    REQUIRE(fitted <= plain * (1 + 1e-4));
    all += fitted;
    all_naive += oracle.error(row, oracle.shrunken(row, range.lo, range.hi, N), N) / unit;
  }
  CHECK(all == Approx(all_naive).epsilon(0.01));  // the oracle tries the same pairs in double
}

/// A quantizer that wants to see all values.
struct own_fit : ott::affine<2> {
  using ott::affine<2>::fit;
  template <ott::value_slice V>
  static constexpr params fit(V const& values) {
    return {1.0f, values(0)};
  }
};

static_assert(ott::value_slice<slice> && !ott::value_slice<int>);

}  // namespace

TEST_CASE("fit: range_of passes over NaN") {
  CHECK(ott::range_of(slice{{3, NAN, -1}}).lo == -1.0f);
  CHECK(ott::range_of(slice{{NAN, 3, -1}}).hi == 3.0f);
  CHECK(ott::range_of(slice{{NAN, NAN}}).hi == 0.0f);
  CHECK(ott::range_of(slice{{NAN, NAN}}).lo == 0.0f);
}

TEST_CASE("fit: min_max is the range, stored; a quantizer with its own fit is asked") {
  slice const s{{1.0f, 4.0f, 2.5f}};
  auto const p = ott::min_max::of<ott::affine<2>, half>(s);
  CHECK(p.scale == 1.0f);
  CHECK(p.zero == 1.0f);
  CHECK(ott::min_max::of<own_fit, half>(slice{{7.0f, 9.0f}}).zero == 7.0f);
}

TEST_CASE("fit: least_squares is never worse than min_max in squared error") {
  check_least_squares<ott::affine<1>, half>();
  check_least_squares<ott::affine<2>, half>();
  check_least_squares<ott::affine<3>, float>();
  check_least_squares<ott::affine<4>, half>();
}

TEST_CASE("fit: high_norm is never worse than min_max in its own norm") {
  check_high_norm<ott::affine<2>, 8>();
  check_high_norm<ott::affine<2>, 2>();
  check_high_norm<ott::affine<3>, 4>();
  check_high_norm<ott::symmetric<4>, 2>();
}

TEST_CASE("fit: constants and what is not finite leave finite parameters") {
  for (slice const& s :
       {slice{{2, 2, 2, 2}}, slice{{INFINITY, 1, 2, 3}}, slice{{NAN, NAN, NAN}},
        slice{{-INFINITY, INFINITY, 0}}, slice{{NAN, 1, 3}}, slice{{3e38f, -3e38f}}}) {
    auto const a = ott::least_squares::of<ott::affine<2>, half>(s);
    auto const b = ott::high_norm<8>::of<ott::affine<2>, half>(s);
    for (float x : {a.scale, a.zero, b.scale, b.zero}) CHECK(ott::is_finite(x));
  }
  auto const p = ott::least_squares::of<ott::affine<2>, half>(slice{{2, 2, 2, 2}});
  CHECK(ott::affine<2>::decode(p, ott::affine<2>::encode(p, 2.0f)) == 2.0f);
}
