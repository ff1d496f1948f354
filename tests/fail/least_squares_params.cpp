// expect: ott: fit least_squares needs a quantizer with params {scale, zero}
#include <ott/policy/affine.hpp>
#include <ott/policy/least_squares.hpp>
#include <ott/policy/symmetric.hpp>

struct two {
  constexpr int size() const { return 2; }
  constexpr float operator()(int i) const { return static_cast<float>(i); }
};

#if defined(OTT_POSITIVE_CONTROL)
using quantizer = ott::affine<2>;
#else
using quantizer = ott::symmetric<2>;
#endif

auto const fitted = ott::least_squares::of<quantizer, ott::half>(two{});
