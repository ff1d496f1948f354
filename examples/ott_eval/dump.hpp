#pragma once

#include "captured.hpp"

#include "support/trace.hpp"

#include <string>

namespace eval {

/// Writes what a cache holds and returned: docs/formats.md, "A state dump".
void write_dump(std::string const& path, support::kv_trace const& trace, policy_run const& run);

}  // namespace eval
