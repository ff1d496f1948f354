#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace llama {

/// Integers apart by spaces or commas. Refuses anything else, as support::input_error.
std::vector<int> ids_from(std::string const& line, std::string const& where);

/// One list a line; empty lines are passed over.
std::vector<std::vector<int>> id_lines_from(std::istream& in, std::string const& where);

}  // namespace llama
