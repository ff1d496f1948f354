#pragma once

#include <ott/policy/cache_policy.hpp>

// The policies that ott_eval knows by name, for every element type and head_dim. Bits are named in
// the type, so that they can be read in a profile.
namespace eval {

template <class T, int D, int Bits>
struct ott_policy : ott::paper_policy {
  using element = T;
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
  static constexpr int head_dim = D;
};

template <class T, int D, int Bits>
struct kivi_policy : ott::kivi_policy {
  using element = T;
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
  static constexpr int head_dim = D;
};

template <class T, int D, int Bits>
struct rotated_policy : ott::rotated_policy {
  using element = T;
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
  static constexpr int head_dim = D;
};

template <class T, int D, int>
struct dense_policy : ott::dense_policy {
  using element = T;
  static constexpr int head_dim = D;
};

}  // namespace eval
