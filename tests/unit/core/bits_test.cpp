#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
#include <support/catch.hpp>

static_assert(ott::bit_cast<std::uint32_t>(1.0f) == 0x3f800000u);
static_assert(ott::ceil_div(7, 4) == 2 && ott::ceil_div(8, 4) == 2 && ott::ceil_div(0, 4) == 0);
static_assert(ott::round_up(7, 4) == 8 && ott::round_up(8, 4) == 8);
static_assert(ott::is_pow2(1) && ott::is_pow2(64) && !ott::is_pow2(0) && !ott::is_pow2(-4));
static_assert(ott::gcd(12, 18) == 6 && ott::gcd(5, 0) == 5 && ott::gcd(0, 5) == 5);
static_assert(ott::pow2_divisor(80) == 16 && ott::pow2_divisor(128) == 128 &&
              ott::pow2_divisor(7) == 1);
static_assert(ott::array<int, 3>{{1, 2, 3}}[2] == 3 && ott::array<int, 3>::size() == 3);
static_assert(ott::array<int, 0>::size() == 0);

TEST_CASE("bits: popcount against counting") {
  std::uint32_t x = 1;
  for (int i = 0; i < 1000; ++i) {
    x = x * 1664525u + 1013904223u;
    int count = 0;
    for (int b = 0; b < 32; ++b) count += static_cast<int>(x >> b & 1u);
    REQUIRE(ott::popcount(x) == count);
  }
  CHECK(ott::popcount(0) == 0);
  CHECK(ott::popcount(~0u) == 32);
}
