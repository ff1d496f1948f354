#pragma once

#include <concepts>

#include <ott/core/bits.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>

namespace ott {

/// An orthogonal map of one row's channels, applied before quantizing; queries get the same one.
/// requires apply<D>(row): in place, row[c] a float; its own inverse; identity: it does nothing
template <class R>
concept rotation = requires(float* row) {
  { R::identity } -> std::convertible_to<bool>;
  R::template apply<8>(row);
};

struct no_rotation {
  static constexpr char const* name = "none";
  static constexpr bool identity = true;
  template <int D, class Row>
  OTT_HD static constexpr void apply(Row&&) {}
};

/// Normalized Hadamard matrix over head_dim: butterflies in fixed order in fp32, one final scaling.
/// Block-diagonal over the largest power-of-two divisor of head_dim. It is its own inverse.
/// source   docs/method.md, Extensions
struct hadamard {
  static constexpr char const* name = "hadamard";
  static constexpr bool identity = false;

  template <int D>
  static constexpr int block = pow2_divisor(D);
  /// 1 / sqrt(block), rounded once.
  template <int D>
  static constexpr float factor = exact_div(1.0f, exact_sqrt(static_cast<float>(block<D>)));

  template <int D, class Row>
  OTT_HD static constexpr void apply(Row&& row) {
    constexpr float normal = factor<D>;
    for (int span = 1; span < block<D>; span *= 2) {
      for (int pair = 0; pair < D / 2; ++pair) {
        int const low = (pair / span) * 2 * span + pair % span;
        float const a = row[low];
        float const b = row[low + span];
        row[low] = exact_add(a, b);
        row[low + span] = exact_sub(a, b);
      }
    }
    for (int c = 0; c < D; ++c) row[c] = exact_mul(row[c], normal);
  }
};

}  // namespace ott
