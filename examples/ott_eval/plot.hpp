#pragma once

#include <string>

namespace eval {

/// Draws a report of --json with scripts/plot_eval.py; refuses where that does not work.
void draw_plot(std::string const& report, std::string const& png);

}  // namespace eval
