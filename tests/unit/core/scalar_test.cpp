#include <cmath>
#include <cstdint>
#include <cstring>

#include <oracle/naive.hpp>
#include <ott/core/scalar.hpp>
#include <support/catch.hpp>
#include <support/computed.hpp>

namespace {

using ott::bf16;
using ott::half;

struct widened_half {
  OTT_HD float operator()(int i) const {
    return ott::to_float(half{static_cast<std::uint16_t>(i)});
  }
};
struct round_trip_half {
  OTT_HD int operator()(int i) const {
    return ott::from_float<half>(ott::to_float(half{static_cast<std::uint16_t>(i)})).bits;
  }
};
struct round_trip_bf16 {
  OTT_HD int operator()(int i) const {
    return ott::from_float<bf16>(ott::to_float(bf16{static_cast<std::uint16_t>(i)})).bits;
  }
};
/// Floats around every half: the half itself, the tie above it and its neighbours.
OTT_HD inline float around_half(int i) {
  std::uint32_t const base = static_cast<std::uint32_t>(i / 8) << 13;
  std::uint32_t const exponent = (base >> 23 & 31u) + 112u;
  std::uint32_t const sign = (static_cast<std::uint32_t>(i / 8) & 0x8000u) << 16;
  std::uint32_t const low[] = {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x1fffu, 0x800u, 0x1800u};
  return ott::bit_cast<float>(sign | exponent << 23 | (base & 0x7fe000u) | low[i % 8]);
}
struct narrowed_half {
  OTT_HD int operator()(int i) const { return ott::from_float<half>(around_half(i)).bits; }
};
struct denormal_half {  // |x| < 2^-13, every tie at 2^-25 and its neighbours
  OTT_HD static float at(int i) {
    float const tie = static_cast<float>(i / 3) * 0x1p-25f;
    std::uint32_t const bits = ott::bit_cast<std::uint32_t>(tie);
    return ott::bit_cast<float>(bits == 0 ? 0u : bits + static_cast<std::uint32_t>(i % 3) - 1u);
  }
  OTT_HD int operator()(int i) const { return ott::from_float<half>(at(i)).bits; }
};
struct narrowed_bf16 {
  OTT_HD static float at(int i) {
    std::uint32_t const low[] = {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x4000u, 0xc000u};
    return ott::bit_cast<float>(static_cast<std::uint32_t>(i / 8) << 16 | low[i % 8]);
  }
  OTT_HD int operator()(int i) const { return ott::from_float<bf16>(at(i)).bits; }
};

/// A half's value from its definition.
double half_value(int bits) {
  int const exponent = bits >> 10 & 31;
  double const mantissa = bits & 0x3ff;
  double const magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// The nearest half of a finite float, overflow to infinity as IEEE has it.
int nearest_half(float x) {
  if (std::abs(static_cast<double>(x)) >= 65520.0) return std::signbit(x) ? 0xfc00 : 0x7c00;
  double const rounded = std::abs(naive::stored(naive::number::fp16, x));
  int const sign = std::signbit(x) ? 0x8000 : 0;
  if (rounded == 0) return sign;
  int exponent = 0;
  std::frexp(rounded, &exponent);
  if (exponent < -13) return sign | static_cast<int>(std::ldexp(rounded, 24));
  return sign | (exponent + 14) << 10 |
         (static_cast<int>(std::ldexp(rounded, 11 - exponent)) - 1024);
}

bool is_nan_half(int bits) { return (bits & 0x7fff) > 0x7c00; }
bool is_nan_bf16(int bits) { return (bits & 0x7fff) > 0x7f80; }

template <class T>
int bits_of(float x) {
  return ott::from_float<T>(x).bits;
}

}  // namespace

TEST_CASE("scalar: all 65536 halves widen to their value and come back") {
  auto const wide = ott_test::computed<float>(65536, widened_half{});
  auto const back = ott_test::computed<int>(65536, round_trip_half{});
  REQUIRE(wide.size() == 65536);
  int wrong = 0;
  for (int i = 0; i < 65536; ++i) {
    auto const at = static_cast<std::size_t>(i);
    if (is_nan_half(i)) {
      wrong += std::isnan(wide[at]) && is_nan_half(back[at]) ? 0 : 1;
    } else if ((i & 0x7fff) == 0x7c00) {
      wrong += std::isinf(wide[at]) && back[at] == i ? 0 : 1;
    } else {
      wrong += static_cast<double>(wide[at]) == half_value(i) &&
                       std::signbit(wide[at]) == (i >= 0x8000) && back[at] == i
                   ? 0
                   : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("scalar: all 65536 bfloats come back") {
  auto const back = ott_test::computed<int>(65536, round_trip_bf16{});
  REQUIRE(back.size() == 65536);
  int wrong = 0;
  for (int i = 0; i < 65536; ++i) {
    int const got = back[static_cast<std::size_t>(i)];
    wrong += (is_nan_bf16(i) ? is_nan_bf16(got) : got == i) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("scalar: rounding to half at every half, every tie and their neighbours") {
  int const count = 65536 * 8;
  auto const got = ott_test::computed<int>(count, narrowed_half{});
  REQUIRE(got.size() == static_cast<std::size_t>(count));
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    wrong += got[static_cast<std::size_t>(i)] == nearest_half(around_half(i)) ? 0 : 1;
  }
  CHECK(wrong == 0);
#if defined(__FLT16_MANT_DIG__)
  for (int i = 0; i < count; ++i) {  // and the compiler agrees
    _Float16 const narrow = static_cast<_Float16>(around_half(i));
    std::uint16_t bits = 0;
    std::memcpy(&bits, &narrow, 2);
    wrong += got[static_cast<std::size_t>(i)] == bits ? 0 : 1;
  }
  CHECK(wrong == 0);
#endif
}

TEST_CASE("scalar: denormal halves round at 2^-24, ties to even") {
  int const count = 3 * 4096;
  auto const got = ott_test::computed<int>(count, denormal_half{});
  REQUIRE(got.size() == static_cast<std::size_t>(count));
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    wrong += got[static_cast<std::size_t>(i)] == nearest_half(denormal_half::at(i)) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("scalar: rounding to bf16 at every value, every tie and their neighbours") {
  int const count = 65536 * 8;
  auto const got = ott_test::computed<int>(count, narrowed_bf16{});
  REQUIRE(got.size() == static_cast<std::size_t>(count));
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    float const x = narrowed_bf16::at(i);
    int const bits = got[static_cast<std::size_t>(i)];
    if (std::isnan(x)) {
      wrong += is_nan_bf16(bits) ? 0 : 1;
      continue;
    }
    // Next values on either side: none may be nearer, and of two alike the even one counts.
    double const at = x;
    double const mine = ott::to_float(bf16{static_cast<std::uint16_t>(bits)});
    if (std::isinf(mine)) {
      wrong += std::abs(at) >= 0x1.ffp127 ? 0 : 1;
      continue;
    }
    double const other =
        ott::to_float(bf16{static_cast<std::uint16_t>(std::abs(mine) < std::abs(at) ? bits + 1
                                                      : (bits & 0x7fff) == 0        ? bits
                                                                                    : bits - 1)});
    double const off = std::abs(at - mine);
    double const off_other = std::isinf(other) ? 0x1p120 : std::abs(at - other);
    wrong += off < off_other || off == 0 || (off == off_other && bits % 2 == 0) ? 0 : 1;
    wrong += std::signbit(x) == (bits >= 0x8000) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("scalar: overflow and NaN") {
  CHECK(bits_of<half>(65519.99f) == 0x7bff);
  CHECK(bits_of<half>(65520.0f) == 0x7c00);
  CHECK(bits_of<half>(-1e30f) == 0xfc00);
  CHECK(bits_of<half>(INFINITY) == 0x7c00);
  CHECK(bits_of<bf16>(-INFINITY) == 0xff80);
  CHECK(bits_of<bf16>(3.4e38f) == 0x7f80);
  CHECK(is_nan_half(bits_of<half>(NAN)));
  CHECK(is_nan_bf16(bits_of<bf16>(NAN)));
  CHECK_FALSE(ott::is_finite(half{0x7c00}));
  CHECK_FALSE(ott::is_finite(bf16{0x7fff}));
  CHECK(ott::is_finite(half{0x7bff}));
}

TEST_CASE("scalar: a parameter is finite and has no -0") {
  CHECK(ott::to_param<half>(1e9f).bits == 0x7bff);
  CHECK(ott::to_param<half>(-INFINITY).bits == 0xfbff);
  CHECK(ott::to_param<half>(65519.0f).bits == 0x7bff);
  CHECK(ott::to_param<half>(NAN).bits == 0);
  CHECK(ott::to_param<half>(-0.0f).bits == 0);
  CHECK(ott::to_param<half>(-1e-12f).bits == 0);
  CHECK(ott::to_param<bf16>(INFINITY).bits == 0x7f7f);
  CHECK(ott::to_param<bf16>(3.4028e38f).bits == 0x7f7f);
  CHECK(ott::to_param<float>(-INFINITY) == -3.402823466e38f);
  CHECK_FALSE(std::signbit(ott::to_param<float>(-0.0f)));
  for (int i = -3000; i < 3000; ++i) {
    float const x = static_cast<float>(i) * 37.31f;
    REQUIRE(static_cast<double>(ott::to_float(ott::to_param<half>(x))) ==
            naive::stored(naive::number::fp16, x));
    REQUIRE(static_cast<double>(ott::to_float(ott::to_param<bf16>(x))) ==
            naive::stored(naive::number::bf16, x));
  }
}
