#pragma once

#include "captured.hpp"
#include "metrics.hpp"

#include "support/trace.hpp"

#include <string>
#include <vector>

namespace eval {

/// Everything the table says, by layer too, with the magnitude of every key: what the plot draws.
void write_json(std::string const& path, support::kv_trace const& trace,
                std::vector<policy_run> const& runs, std::vector<policy_metrics> const& metrics);

}  // namespace eval
