#include <ott/core/error.hpp>
#include <support/catch.hpp>

#include <string>

TEST_CASE("error: the text says where, what, got and want; the code is kept") {
  try {
    ott::fail(ott::errc::capacity, "ott::cache::append", "pages needed", "3", "at most 2");
  } catch (ott::error const& e) {
    CHECK(e.code() == ott::errc::capacity);
    CHECK(std::string{e.what()} == "ott::cache::append: pages needed, got 3, want at most 2");
    return;
  }
  FAIL("fail() returned");
}

TEST_CASE("error: is a std::exception") {
  CHECK_THROWS_AS(ott::fail(ott::errc::shape, "a", "b", "c", "d"), std::exception);
}

TEST_CASE("error: a handler for builds without exceptions can be set") {
  auto const before = ott::on_error();
  ott::on_error() = [](ott::errc, char const*) {};
  CHECK(ott::on_error() != before);
  ott::on_error() = before;
}
