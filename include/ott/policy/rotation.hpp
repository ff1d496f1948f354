#pragma once

#include <concepts>

#include <ott/core/array.hpp>
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

  // The same in steps of up to four spans, each of which falls apart into `units`.
  static constexpr int step_bits = 4;
  template <int D>
  static constexpr int num_steps = [] {
    int steps = 1;
    while (1 << (step_bits * steps) < block<D>) ++steps;
    return steps;
  }();
  /// Channels of one unit of step Step.
  template <int D, int Step>
  static constexpr int unit_size = block<D> >> (step_bits * Step) < 1 << step_bits
                                       ? block<D> >> (step_bits * Step)
                                       : 1 << step_bits;
  /// One unit of one step.
  /// requires the steps before are done; 0 <= unit < D / unit_size
  template <int D, int Step, class Row>
  OTT_HD static constexpr void apply_unit(Row&& row, int unit) {
    constexpr int size = unit_size<D, Step>;
    constexpr int stride = 1 << (step_bits * Step);
    constexpr float normal = factor<D>;
    int const first = unit / stride * stride * size + unit % stride;
    array<float, size> x{};
    OTT_UNROLL
    for (int i = 0; i < size; ++i) x[i] = row[first + i * stride];
    OTT_UNROLL
    for (int span = 1; span < size; span *= 2) {
      OTT_UNROLL
      for (int pair = 0; pair < size / 2; ++pair) {
        int const low = pair / span * 2 * span + pair % span;
        float const a = x[low];
        float const b = x[low + span];
        x[low] = exact_add(a, b);
        x[low + span] = exact_sub(a, b);
      }
    }
    OTT_UNROLL
    for (int i = 0; i < size; ++i) {
      row[first + i * stride] = Step + 1 == num_steps<D> ? exact_mul(x[i], normal) : x[i];
    }
  }
};

/// A rotation that many may apply to one row together.
/// requires num_steps<D>, unit_size<D, Step>, apply_unit<D, Step>(row, unit): together apply<D>
template <class R>
concept rotation_in_units = requires(float* row) {
  R::template apply_unit<16, 0>(row, 0);
};

}  // namespace ott
