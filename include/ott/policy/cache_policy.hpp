#pragma once

#include <ott/core/scalar.hpp>
#include <ott/policy/affine.hpp>
#include <ott/policy/check.hpp>
#include <ott/policy/fit.hpp>
#include <ott/policy/high_norm.hpp>
#include <ott/policy/key_factor.hpp>
#include <ott/policy/least_squares.hpp>
#include <ott/policy/min_l1.hpp>
#include <ott/policy/passthrough.hpp>
#include <ott/policy/quantizer.hpp>
#include <ott/policy/rotation.hpp>
#include <ott/policy/substitution.hpp>
#include <ott/policy/trace_none.hpp>

namespace ott {

/// Everything that distinguishes one cache from another. Derive, override, name it.
/// source   OTT (arXiv 2505.10938), defaults of the paper; docs/policies.md
struct paper_policy {
  using element = half;                   // keys and values as the engine hands them over
  using param = half;                     // how scale and zero are stored
  using key_quantizer = affine<2>;        //
  using value_quantizer = affine<2>;      //
  using key_granularity = per_channel;    // one parameter set a channel and group
  using value_granularity = per_token;    // one a token and `value_group` channels
  using selection = min_l1;               // who is traced
  using substitution = mean_of_untraced;  // what stands in a traced token's place
  using key_rotation = no_rotation;       // queries are rotated alike
  using value_rotation = no_rotation;     // outputs are rotated back
  using key_factor = no_key_factor;       // one factor a key token
  using key_fit = min_max;                //
  using value_fit = min_max;              //
  static constexpr int head_dim = 128;    // D
  static constexpr int group = 128;       // G: tokens quantized together
  static constexpr int residual = 32;     // R: newest tokens never quantized
  static constexpr int pool = 3;          // P: outlier pool, tokens
  static constexpr int evicted = 32;      // A: evicted pool, tokens
  static constexpr int value_group = 0;   // channels a value parameter set; 0 = head_dim
};

/// KIVI: the same without tracing.
/// source   KIVI (arXiv 2402.02750)
struct kivi_policy : paper_policy {
  using selection = trace_none;
  static constexpr int pool = 0;
  static constexpr int evicted = 0;
};

/// No quantization: the baseline every ratio is taken against.
struct dense_policy : kivi_policy {
  using key_quantizer = no_quantizer;
  using value_quantizer = no_quantizer;
};

/// What we recommend at 2 bits: tracing, Hadamard on K and V, a refitted norm per key token, K
/// fitted by the 8-norm, V by least squares. 2.25 bits + 0.06 at head_dim 128 (docs/accuracy.md).
struct rotated_policy : paper_policy {
  using key_rotation = hadamard;
  using value_rotation = hadamard;
  using key_factor = token_norm_refitted;
  using key_fit = high_norm<8>;
  using value_fit = least_squares;
};

/// A struct that names every part and keeps every rule. Asking stops the build with one sentence
/// rather than answering false: not for overload resolution.
template <class P>
concept cache_policy = detail::check_policy<P>();

/// Channels that share one value parameter set.
template <class P>
inline constexpr int value_group = P::value_group == 0 ? P::head_dim : P::value_group;

template <class P>
inline constexpr bool exact_keys = detail::is_passthrough<typename P::key_quantizer>;

template <class P>
inline constexpr bool exact_values = detail::is_passthrough<typename P::value_quantizer>;

/// Tokens the window can hold: the newest R and the group being filled.
template <class P>
inline constexpr int window_capacity = P::group + P::residual;

/// Traced tokens a (sequence, layer, KV head) can hold in both pools.
template <class P>
inline constexpr int traced_capacity = P::pool + P::evicted;

}  // namespace ott
