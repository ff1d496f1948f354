// One of two files that include everything and instantiate it with policies of their own.
#include "shared.hpp"

namespace {
struct mine : ott::paper_policy {
  static constexpr int group = 64;
};
}  // namespace

int bytes_a() {
  using cache = ott::cache<mine, ott::host_backend<mine>>;
  return static_cast<int>(sizeof(cache) + sizeof(ott::group_block<mine>));
}

shared_append append_a() { return &ott::host_backend<ott::paper_policy>::append; }
