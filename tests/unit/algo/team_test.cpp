#include <vector>

#include <ott/algo/team.hpp>
#include <support/catch.hpp>

namespace {

struct member {
  int own;
  int all;
  int rank() const { return own; }
  int size() const { return all; }
  void sync() const {}
};
struct no_barrier {
  int rank() const { return 0; }
  int size() const { return 1; }
};

static_assert(ott::team<ott::serial_team> && ott::team<member> && !ott::team<no_barrier>);

}  // namespace

TEST_CASE("team: every index has exactly one owner") {
  for (int size : {1, 2, 3, 7, 64}) {
    for (int count : {0, 1, 63, 64, 200}) {
      std::vector<int> owners(static_cast<std::size_t>(count), 0);
      for (int rank = 0; rank < size; ++rank) {
        ott::for_each(member{rank, size}, count,
                      [&](int i) { ++owners[static_cast<std::size_t>(i)]; });
        ott::for_each(ott::turned_team<member>{{rank, size}}, count,
                      [&](int i) { ++owners[static_cast<std::size_t>(i)]; });
      }
      for (int const n : owners) REQUIRE(n == 2);  // once for each of the two teams
    }
  }
}
