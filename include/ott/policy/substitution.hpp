#pragma once

#include <concepts>

#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>

namespace ott {

/// What a traced token's row holds while its group is quantized, channel by channel.
/// requires of(sum, count, lo, hi): sum, number, smallest and largest of the untraced values
template <class S>
concept substitution = requires {
  { S::of(0.0f, 1, 0.0f, 0.0f) } -> std::same_as<float>;
};

/// The mean of the untraced tokens; zero where every token is traced.
/// Kept inside [lo, hi]: a rounded mean must not widen a range.
/// source   docs/method.md, flush step 2
struct mean_of_untraced {
  static constexpr char const* name = "mean_of_untraced";
  OTT_HD static constexpr float of(float sum, int count, float lo, float hi) {
    if (count == 0) return 0.0f;
    float const mean = exact_div(sum, static_cast<float>(count));
    return mean < lo ? lo : mean > hi ? hi : mean;
  }
};

/// Zero.
struct zero_substitute {
  static constexpr char const* name = "zero";
  OTT_HD static constexpr float of(float, int, float, float) { return 0.0f; }
};

}  // namespace ott
