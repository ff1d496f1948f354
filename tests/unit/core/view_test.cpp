#include <ott/core/view.hpp>
#include <support/catch.hpp>

TEST_CASE("view: rows, slices and read-only copies look at the same elements") {
  int data[2 * 3 * 4];
  for (int i = 0; i < 24; ++i) data[i] = i;
  ott::view<int> const all = ott::dense_view(data, 2, 3, 4);
  CHECK(all(1, 2, 3) == 23);
  CHECK(all.row(1, 0) == data + 12);
  ott::view<int const> const read = all;
  CHECK(read(0, 1, 0) == 4);
  ott::view<int> const tail = all.slice(1, 1);
  CHECK(tail.tokens == 1);
  CHECK(tail(0, 1, 2) == 18);
  tail(0, 0, 0) = 99;
  CHECK(data[12] == 99);
}

TEST_CASE("view: heads may be anywhere") {
  int data[64] = {};
  data[2 * 16 + 3 * 2 + 1] = 7;
  ott::view<int> const strided{data, 4, 4, 2, 2, 16};  // [heads][tokens][head_dim]
  CHECK(strided(3, 2, 1) == 7);
}
