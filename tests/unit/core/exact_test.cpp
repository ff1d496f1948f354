#include <cmath>
#include <cstdint>

#include <ott/core/exact.hpp>
#include <support/catch.hpp>
#include <support/computed.hpp>
#include <support/random_kv.hpp>

namespace {

/// Any float, special ones included, from a counter.
OTT_HD constexpr float any_float(int i, std::uint32_t salt) {
  std::uint32_t x = static_cast<std::uint32_t>(i) * 2654435761u ^ salt;
  x ^= x >> 15;
  x *= 2246822519u;
  x ^= x >> 13;
  return ott::bit_cast<float>(x);
}

struct sum_of {
  OTT_HD float operator()(int i) const { return ott::exact_add(any_float(i, 1), any_float(i, 2)); }
};
struct difference_of {
  OTT_HD float operator()(int i) const { return ott::exact_sub(any_float(i, 1), any_float(i, 2)); }
};
struct product_of {
  OTT_HD float operator()(int i) const { return ott::exact_mul(any_float(i, 1), any_float(i, 2)); }
};
struct quotient_of {
  OTT_HD float operator()(int i) const { return ott::exact_div(any_float(i, 1), any_float(i, 2)); }
};
struct root_of {
  OTT_HD float operator()(int i) const { return ott::exact_sqrt(any_float(i, 1)); }
};
/// Near-cancelling, so that a fused multiply-add shows.
struct product_then_sum {
  OTT_HD float operator()(int i) const {
    float const a = 1.0f + static_cast<float>(i % 4096) * 0x1p-23f;
    return ott::exact_add(ott::exact_mul(a, a), -1.0f);
  }
};
struct code_of {
  OTT_HD float operator()(int i) const {
    float const x = static_cast<float>(i - 1000) * 0.125f;
    return static_cast<float>(ott::nearest_code(x, 255));
  }
};

bool same(float a, double b) {
  float const narrow = static_cast<float>(b);
  return std::isnan(a) ? std::isnan(narrow)
                       : ott::bit_cast<std::uint32_t>(a) == ott::bit_cast<std::uint32_t>(narrow);
}

template <class F, class Expected>
void check_all(F f, Expected expected) {
  auto const got = ott_test::computed<float>(20000, f);
  REQUIRE(got.size() == 20000);
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    wrong +=
        same(got[static_cast<std::size_t>(i)], expected(static_cast<double>(any_float(i, 1)),
                                                        static_cast<double>(any_float(i, 2)), i))
            ? 0
            : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace

// A double operation rounded to float is the float operation: 53 >= 2 * 24 + 2.
TEST_CASE("exact: every operation is the one of IEEE, rounded once") {
  check_all(sum_of{}, [](double a, double b, int) { return a + b; });
  check_all(difference_of{}, [](double a, double b, int) { return a - b; });
  check_all(product_of{}, [](double a, double b, int) { return a * b; });
  check_all(quotient_of{}, [](double a, double b, int) { return a / b; });
  check_all(root_of{}, [](double a, double, int) { return std::sqrt(a); });
}

TEST_CASE("exact: a product is not fused into a sum") {
  check_all(product_then_sum{}, [](double, double, int i) {
    double const a = 1.0 + (i % 4096) * 0x1p-23;
    return static_cast<double>(static_cast<float>(a * a)) - 1.0;
  });
}

TEST_CASE("exact: nearest_code rounds to even and stays in range") {
  check_all(code_of{}, [](double, double, int i) {
    return std::fmin(std::fmax(std::nearbyint((i - 1000) * 0.125), 0.0), 255.0);
  });
  CHECK(ott::nearest_code(NAN, 3) == 0);
  CHECK(ott::nearest_code(-INFINITY, 3) == 0);
  CHECK(ott::nearest_code(INFINITY, 3) == 3);
  CHECK(ott::nearest_code(0.5f, 3) == 0);
  CHECK(ott::nearest_code(1.5f, 3) == 2);
  CHECK(ott::nearest_code(2.5f, 3) == 2);
  CHECK(ott::nearest_code(2.5000002f, 3) == 3);
}

TEST_CASE("exact: the constant-evaluated root is the run-time root") {
  constexpr float roots[] = {ott::exact_sqrt(2.0f), ott::exact_sqrt(128.0f),
                             ott::exact_sqrt(1e-40f), ott::exact_sqrt(3e38f),
                             ott::exact_sqrt(0.0f)};
  float const of[] = {2.0f, 128.0f, 1e-40f, 3e38f, 0.0f};
  for (int i = 0; i < 5; ++i) {
    float volatile x = of[i];
    CHECK(roots[i] == std::sqrt(x));
  }
  static_assert(ott::exact_sqrt(ott::infinity()) == ott::infinity());
  static_assert(ott::exact_sqrt(-1.0f) != ott::exact_sqrt(-1.0f));
}

TEST_CASE("exact: double sums and products are not fused either") {
  double const a = 1.0 + 0x1p-30;
  CHECK(ott::exact_add(ott::exact_mul(a, a), -1.0) == 0x1p-29);
}

TEST_CASE("exact: lesser and greater pass over NaN") {
  CHECK(ott::lesser(1.0f, NAN) == 1.0f);
  CHECK(ott::greater(1.0f, NAN) == 1.0f);
  CHECK(ott::lesser(1.0f, -2.0f) == -2.0f);
  CHECK(ott::greater(1.0f, 3.0f) == 3.0f);
  CHECK(ott::exact_abs(-0.0f) == 0.0f);
  CHECK_FALSE(std::signbit(ott::exact_abs(-0.0f)));
  CHECK_FALSE(ott::is_finite(INFINITY));
  CHECK_FALSE(ott::is_finite(NAN));
  CHECK(ott::is_finite(3e38f));
}
