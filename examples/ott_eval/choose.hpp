#pragma once

#include "instance.hpp"
#include "options.hpp"

#include "support/trace.hpp"

#include <vector>

namespace eval {

/// The instance of every policy that was asked for; refuses what there is not, before work begins.
std::vector<instance const*> choose_instances(options const& asked, support::kv_trace const& trace);

}  // namespace eval
