#pragma once

#include <ott/policy/cache_policy.hpp>

// The policies that are measured; engines/ holds one instance of the device backend for each.
namespace ott_bench {

/// The paper's policy at other widths.
template <int Bits>
struct ott_bits : ott::paper_policy {
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
};

/// The paper's policy at other head_dims.
template <int HeadDim>
struct ott_wide : ott::paper_policy {
  static constexpr int head_dim = HeadDim;
};

template <class P>
inline constexpr char const* policy_name = "";
template <>
inline constexpr char const* policy_name<ott::paper_policy> = "ott-2";
template <>
inline constexpr char const* policy_name<ott::rotated_policy> = "rotated-2";
template <>
inline constexpr char const* policy_name<ott::dense_policy> = "dense";
template <>
inline constexpr char const* policy_name<ott_bits<3>> = "ott-3";
template <>
inline constexpr char const* policy_name<ott_bits<4>> = "ott-4";
template <>
inline constexpr char const* policy_name<ott_wide<64>> = "ott-2-d64";
template <>
inline constexpr char const* policy_name<ott_wide<256>> = "ott-2-d256";

}  // namespace ott_bench
