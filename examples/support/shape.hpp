#pragma once

#include "support/dtype.hpp"
#include "support/input_error.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace support {

using shape_t = std::vector<std::int64_t>;

/// "[1024, 3, 64]"
inline std::string to_string(shape_t const& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

/// Bytes of a dense tensor; refuses a shape whose size overflows.
/// requires extents are not negative
inline std::uint64_t bytes_for(shape_t const& shape, dtype type, std::string const& where) {
  // A zero extent makes the product zero, whatever the others are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  auto total = static_cast<std::uint64_t>(bytes_of(type));
  for (auto const extent : shape) {
    auto const n = static_cast<std::uint64_t>(extent);
    if (total > std::numeric_limits<std::int64_t>::max() / n)
      throw input_error(where, "shape too large", to_string(shape), "fewer than 2^63 bytes");
    total *= n;
  }
  return total;
}

}  // namespace support
