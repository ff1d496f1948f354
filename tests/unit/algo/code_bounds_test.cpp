// Where codes begin, against the quantizer's own encode of every fp16 number.
#include <cmath>

#include <ott/algo/code_bounds.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

ott::half half_of(int bits) { return {static_cast<std::uint16_t>(bits)}; }
float number_of(int bits) { return ott::to_float(half_of(bits)); }

template <int Bits>
void check(typename ott::affine<Bits>::params p, bool all) {
  using quantizer = ott::affine<Bits>;
  auto const encode = ott::encoder<quantizer, ott::half, true>::of(p);
  float bounds[quantizer::max_code];
  for (int j = 0; j < quantizer::max_code; ++j) {
    bounds[j] = ott::to_float(ott::first_above(encode, j));
  }
  for (int bits = 0; bits < 0x10000; bits += all ? 1 : 61) {
    float const x = number_of(bits);
    int code = 0;
    for (float const bound : bounds) code += x >= bound ? 1 : 0;
    if (code == quantizer::encode(p, x)) continue;
    INFO("scale " << p.scale << ", zero " << p.zero << ", x " << x);
    REQUIRE(code == quantizer::encode(p, x));
  }
}

template <int Bits>
void check_many(std::uint64_t seed) {
  ott_test::random_source random{seed};
  for (int i = 0; i < 400; ++i) {  // any finite zero, any scale that is not negative
    int const scale = random.below(0x7c00);
    int const zero = random.below(0x7c00) | (random.one_in(2) ? 0x8000 : 0);
    check<Bits>({number_of(scale), number_of(zero)}, i < 20);
  }
  for (int i = 0; i < 400; ++i) {  // zero and a middle that all but cancel
    float const scale = number_of(random.below(0x7800));
    float const middle = (static_cast<float>(random.below(4)) + 0.5f) * scale;
    auto const zero = ott::to_float(ott::to_param<ott::half>(-middle));
    check<Bits>({scale, zero}, i < 20);
  }
  check<Bits>({0.0f, 1.0f}, true);
  check<Bits>({65504.0f, -65504.0f}, true);
}

}  // namespace

TEST_CASE("code bounds: fp16 numbers in order") {
  for (int place = ott::half_order::lowest; place < ott::half_order::highest; ++place) {
    float const here = ott::to_float(ott::half_order::at(place));
    float const next = ott::to_float(ott::half_order::at(place + 1));
    if (!(here <= next)) REQUIRE(here <= next);
    REQUIRE(ott::half_order::of(ott::half_order::at(place)) == place);
  }
  CHECK(ott::to_float(ott::half_order::at(ott::half_order::lowest)) == -INFINITY);
  CHECK(ott::to_float(ott::half_order::at(ott::half_order::highest)) == INFINITY);
  CHECK(std::isnan(ott::to_float(ott::half_order::at(ott::half_order::highest + 1))));
}

TEST_CASE("code bounds: an element's code is the number of bounds it reaches") {
  check_many<1>(1);
  check_many<2>(2);
}
