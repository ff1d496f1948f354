#include <set>

#include <ott/cache/page_pool.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

TEST_CASE("page pool: pages are handed out once, and come back when the last holder lets go") {
  ott::page_pool pool{2};
  ott::page_id const a = pool.acquire();
  ott::page_id const b = pool.acquire();
  CHECK(a != b);
  CHECK(pool.acquire() == ott::page_id{});  // there is none
  pool.share(a);
  pool.release(a);
  CHECK(pool.available() == 0);
  CHECK(pool.holders(a) == 1);
  pool.release(a);
  CHECK(pool.available() == 1);
  CHECK(pool.acquire() == a);
}

TEST_CASE("page pool: random traffic against a multiset of holders") {
  ott_test::random_source random{5};
  constexpr int size = 9;
  ott::page_pool pool{size};
  std::multiset<ott::page_id> held;
  for (int step = 0; step < 5000; ++step) {
    int const what = random.below(3);
    if (what == 0) {
      ott::page_id const page = pool.acquire();
      bool const full = std::set<ott::page_id>(held.begin(), held.end()).size() == size;
      REQUIRE((page == ott::page_id{}) == full);
      if (full) continue;
      REQUIRE(page.value >= 0);
      REQUIRE(page.value < size);
      REQUIRE(held.count(page) == 0);
      held.insert(page);
    } else if (!held.empty()) {
      auto it = held.begin();
      std::advance(it, random.below(static_cast<int>(held.size())));
      ott::page_id const page = *it;
      if (what == 1) {
        pool.share(page);
        held.insert(page);
      } else {
        pool.release(page);
        held.erase(it);
      }
      REQUIRE(pool.holders(page) == static_cast<int>(held.count(page)));
    }
    REQUIRE(pool.available() ==
            size - static_cast<int>(std::set<ott::page_id>(held.begin(), held.end()).size()));
  }
}
