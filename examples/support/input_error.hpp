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

/// Bytes of the well-formed UTF-8 character that `text` begins with; 0: a control or a stray byte.
inline std::size_t utf8_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  std::size_t const length = lead >= 0xf5 ? 0 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return lead == 0xc2 && byte(1) < 0xa0 ? 0 : length;  // U+0080 to U+009F are controls too
}

/// Text from a file, fit for one line of a terminal: what is no character is escaped, the length
/// bounded.
inline std::string printable(std::string_view text, std::size_t longest = 80) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string line;
  while (!text.empty()) {
    if (line.size() >= longest) return line + "...";
    auto const length = utf8_length(text);
    if (length > 0) {
      line += text.substr(0, length);
    } else {
      auto const byte = static_cast<unsigned char>(text[0]);
      line += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    }
    text.remove_prefix(length > 0 ? length : 1);
  }
  return line;
}

}  // namespace support
