#include <ott/core/ids.hpp>
#include <support/catch.hpp>

#include <type_traits>

template <class A, class B>
concept comparable = requires(A a, B b) {
  a == b;
};

static_assert(comparable<ott::seq_id, ott::seq_id>);
static_assert(!comparable<ott::seq_id, ott::page_id>, "kinds of ids do not mix");
static_assert(!std::is_convertible_v<int, ott::seq_id> || !std::is_convertible_v<ott::seq_id, int>);

TEST_CASE("ids: an id that nobody gave out is negative; ids order like their numbers") {
  CHECK(ott::seq_id{}.value < 0);
  CHECK(ott::page_id{1} < ott::page_id{2});
  CHECK(ott::page_id{2} == ott::page_id{2});
}
