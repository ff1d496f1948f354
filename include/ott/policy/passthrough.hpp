#pragma once

namespace ott {

/// No quantizer: groups hold the elements themselves. The control for invariant 3 and the fp16
/// baseline.
struct no_quantizer {
  static constexpr char const* name = "passthrough";
  static constexpr bool passthrough = true;
};

}  // namespace ott
