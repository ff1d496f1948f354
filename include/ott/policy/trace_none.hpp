#pragma once

namespace ott {

/// Traces nothing: KIVI.
struct trace_none {
  static constexpr char const* name = "trace_none";
  static constexpr bool traces = false;
};

}  // namespace ott
