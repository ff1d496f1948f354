#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eval {

enum class backend_choice { automatic, host, cuda };

/// The command line.
struct options {
  std::string trace;
  std::vector<std::string> policies;  // never empty
  backend_choice backend = backend_choice::automatic;
  std::int64_t chunk = 0;  // tokens an append; 0: all at once
  std::string dump, json, plot;
  bool list = false;
};

/// Refuses what it does not understand with an `input_error`.
/// Returns false where --help has been answered and nothing is left to do.
bool parse_options(int argc, char** argv, options& result);

}  // namespace eval
