// Which quantizers the integer tensor cores may serve: those whose stored parameters are the affine
// ones, or of which the scale alone says where code 0 lies.
#include <ott/cuda/group_shape.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

namespace {

/// A user's, of one stored parameter.
template <class Zero>
struct own {
  static constexpr int bits = 2;
  struct params {
    float scale;
  };
  static constexpr params fit(float lo, float hi) { return {(hi - lo) / 3.0f}; }
  static constexpr ott::affine_params affine_of(params p) { return {p.scale, Zero::of(p.scale)}; }
  static constexpr int encode(params p, float x) {
    float const code = (x - Zero::of(p.scale)) / p.scale;
    return code < 0 ? 0 : code > 3 ? 3 : static_cast<int>(code + 0.5f);
  }
  static constexpr float decode(params p, int code) {
    return Zero::of(p.scale) + p.scale * static_cast<float>(code);
  }
};
struct multiple {
  static constexpr float of(float scale) { return -1.5f * scale; }
};
struct constant {
  static constexpr float of(float) { return -1.0f; }
};
struct squared {
  static constexpr float of(float scale) { return -scale * scale; }
};

/// Two stored parameters that mean something else.
struct middle : ott::affine<2> {
  static constexpr ott::affine_params affine_of(params p) {
    return {p.scale, p.zero < 0 ? 0.0f : p.zero};
  }
};

template <class Q>
struct with : ott_test::small {
  using value_quantizer = Q;
};

}  // namespace

TEST_CASE("group shape: codes are integers where parameters are what affine_of says") {
  using ott::detail::integer_codes;
  STATIC_REQUIRE(integer_codes<ott::affine<2>>());
  STATIC_REQUIRE(integer_codes<ott::symmetric<4>>());
  STATIC_REQUIRE(integer_codes<own<multiple>>());
  STATIC_REQUIRE(ott::has_integer_groups<with<own<multiple>>>);
  STATIC_REQUIRE(ott::group_shape<with<own<multiple>>>::value_zero_of_unit == -1.5f);
}

TEST_CASE("group shape: a zero that is no multiple of the scale goes the generic way") {
  using ott::detail::integer_codes;
  STATIC_REQUIRE_FALSE(integer_codes<own<constant>>());
  STATIC_REQUIRE_FALSE(integer_codes<own<squared>>());
  STATIC_REQUIRE_FALSE(integer_codes<middle>());
  STATIC_REQUIRE_FALSE(ott::has_integer_groups<with<own<constant>>>);
  STATIC_REQUIRE_FALSE(ott::has_integer_groups<ott::dense_policy>);
}
