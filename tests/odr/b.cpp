// See a.cpp: the same name `mine` for another policy, as two users of one program would write it.
#include "shared.hpp"

namespace {
struct mine : ott::kivi_policy {
  static constexpr int group = 32;
};
}  // namespace

int bytes_a();
shared_append append_a();

static int bytes_b() {
  using cache = ott::cache<mine, ott::host_backend<mine>>;
  return static_cast<int>(sizeof(cache) + sizeof(ott::group_block<mine>));
}

// Two policies named `mine` lie in different bytes; one that leaked would give equal sizes.
int main() {
  bool const same = append_a() == &ott::host_backend<ott::paper_policy>::append;
  return same && bytes_a() != bytes_b() ? 0 : 1;
}
