#pragma once

#include <concepts>
#include <vector>

#include <ott/core/ids.hpp>

namespace ott {

/// Who hands out pages: ours below, or an engine's own block manager.
/// requires acquire() -> a page nobody holds, or page_id{} when there is none; share(page) adds a
///          holder; release(page) takes one away; available() pages can be acquired. Page numbers
///          are below the cache's num_pages.
template <class T>
concept page_source = requires(T& pages, T const& fixed, page_id page) {
  { pages.acquire() } -> std::same_as<page_id>;
  pages.share(page);
  pages.release(page);
  { fixed.available() } -> std::convertible_to<int>;
};

/// Reference-counted pages; the lowest free number is not promised.
class page_pool {
 public:
  explicit page_pool(int num_pages) : holders_(static_cast<std::size_t>(num_pages), 0) {
    free_.reserve(holders_.size());
    for (int page = num_pages - 1; page >= 0; --page) free_.push_back({page});
  }

  page_id acquire() {
    if (free_.empty()) return {};
    page_id const page = free_.back();
    free_.pop_back();
    holders_[index(page)] = 1;
    return page;
  }
  void share(page_id page) { ++holders_[index(page)]; }
  void release(page_id page) {
    if (--holders_[index(page)] == 0) free_.push_back(page);
  }
  int available() const { return static_cast<int>(free_.size()); }
  int holders(page_id page) const { return holders_[index(page)]; }

 private:
  static std::size_t index(page_id page) { return static_cast<std::size_t>(page.value); }

  std::vector<int> holders_;
  std::vector<page_id> free_;
};

}  // namespace ott
