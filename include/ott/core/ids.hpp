#pragma once

#include <compare>
#include <cstdint>

namespace ott {

/// An integer that does not mix with others of its kind.
template <class Tag, class Int>
struct id {
  Int value = -1;
  friend constexpr bool operator==(id, id) = default;
  friend constexpr auto operator<=>(id a, id b) { return a.value <=> b.value; }
};

using seq_id = id<struct seq_tag, std::int64_t>;
using page_id = id<struct page_tag, std::int32_t>;

}  // namespace ott
