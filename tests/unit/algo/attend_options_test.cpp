#include <ott/algo/attend_options.hpp>
#include <support/catch.hpp>

TEST_CASE("attend options: who sees whom") {
  ott::attend_options plain;
  CHECK(ott::sees(plain, 5, 5));
  CHECK(ott::sees(plain, 5, 0));
  CHECK_FALSE(ott::sees(plain, 5, 6));
  ott::attend_options sliding;
  sliding.sliding_window = 2;
  CHECK(ott::sees(sliding, 5, 4));
  CHECK_FALSE(ott::sees(sliding, 5, 3));
}

TEST_CASE("attend options: query rows are the last of their sequence unless told") {
  ott::attend_options plain;
  CHECK(ott::query_position(plain, 10, 3, 0, 100) == 97);
  CHECK(ott::query_position(plain, 10, 3, 2, 100) == 99);
  std::int32_t const at[] = {0, 0, 7};
  ott::attend_options told;
  told.q_pos = at;
  CHECK(ott::query_position(told, 1, 2, 1, 100) == 7);
}
