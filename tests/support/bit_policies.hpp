#pragma once

#include <ott/policy/cache_policy.hpp>
#include <ott/policy/symmetric.hpp>

// The paper's policy at other widths, at its full size.
namespace ott_test {

struct three_bits : ott::paper_policy {
  using key_quantizer = ott::affine<3>;
  using value_quantizer = ott::affine<3>;
};
struct four_bits : ott::paper_policy {
  using key_quantizer = ott::affine<4>;
  using value_quantizer = ott::affine<4>;
};
/// Values by their scale alone.
struct four_bits_symmetric : four_bits {
  using value_quantizer = ott::symmetric<4>;
};
struct eight_bits_symmetric : ott::paper_policy {
  using key_quantizer = ott::affine<8>;
  using value_quantizer = ott::symmetric<8>;
};

}  // namespace ott_test
