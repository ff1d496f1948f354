#include "llama/id_lines.hpp"

#include "support/input_error.hpp"

#include <charconv>
#include <istream>

namespace llama {

std::vector<int> ids_from(std::string const& line, std::string const& where) {
  std::vector<int> ids;
  char const* const last = line.data() + line.size();
  for (char const* at = line.data(); at != last;) {
    if (*at == ' ' || *at == ',' || *at == '\t' || *at == '\r') {
      ++at;
      continue;
    }
    int id = 0;
    auto const parsed = std::from_chars(at, last, id);
    if (parsed.ec != std::errc{}) {
      throw support::input_error(where, "not a token id",
                                 "'" + support::printable(std::string(at, last), 20) + "'",
                                 "integers apart by spaces or commas (scripts/tokens.py encode)");
    }
    ids.push_back(id);
    at = parsed.ptr;
  }
  return ids;
}

std::vector<std::vector<int>> id_lines_from(std::istream& in, std::string const& where) {
  std::vector<std::vector<int>> lines;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    auto ids = ids_from(line, where + ":" + std::to_string(number));
    if (!ids.empty()) lines.push_back(std::move(ids));
  }
  return lines;
}

}  // namespace llama
