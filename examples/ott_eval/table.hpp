#pragma once

#include "captured.hpp"
#include "metrics.hpp"

#include "support/input_error.hpp"
#include "support/trace.hpp"

#include <iosfwd>

namespace eval {

/// The trace in one line, and the columns' names.
void print_heading(std::ostream& out, support::kv_trace const& trace);

/// One policy's row.
void print_row(std::ostream& out, support::kv_trace const& trace, policy_run const& run,
               policy_metrics const& metrics);

/// What the columns mean.
void print_legend(std::ostream& out);

/// Bits of one element of the trace over bits as stored.
double compression(support::kv_trace const& trace, policy_run const& run);

}  // namespace eval
