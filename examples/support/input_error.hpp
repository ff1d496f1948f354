#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace support {

/// What a program says of an input it refuses, in one line: "where: what, got X, want Y".
struct input_error : std::runtime_error {
  input_error(std::string const& where, std::string const& what, std::string const& got,
              std::string const& want)
      : std::runtime_error(where + ": " + what + ", got " + got + ", want " + want) {}
};

/// Text from a file, fit for one line of a terminal: control bytes escaped, length bounded.
inline std::string printable(std::string_view text, std::size_t longest = 80) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string line;
  for (char const c : text.substr(0, longest)) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      line += c;
    } else {
      line += "\\x";
      line += hex[byte >> 4];
      line += hex[byte & 15];
    }
  }
  return text.size() > longest ? line + "..." : line;
}

}  // namespace support
