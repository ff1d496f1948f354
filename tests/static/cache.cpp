// Concepts, yes and no: what a backend and a source of pages must have, and what is not enough.
#include <ott/ott.hpp>
#include <support/catch.hpp>

namespace {

static_assert(ott::backend<ott::host_backend<ott::paper_policy>>);
static_assert(!ott::backend<int> && !ott::backend<ott::paper_policy>);

struct without_wait : ott::host_backend<ott::paper_policy> {
  void wait(stream) = delete;
};
static_assert(!ott::backend<without_wait>);

static_assert(ott::page_source<ott::page_pool> && !ott::page_source<int>);

struct engine_pages {
  ott::page_id acquire() { return {}; }
  void share(ott::page_id) {}
  void release(ott::page_id) {}
  int available() const { return 0; }
};
struct no_release {
  ott::page_id acquire() { return {}; }
  void share(ott::page_id) {}
  int available() const { return 0; }
};
static_assert(ott::page_source<engine_pages> && !ott::page_source<no_release>);

static_assert(ott::team<ott::serial_team> && !ott::team<int>);

}  // namespace

TEST_CASE("static: concepts of the cache") { SUCCEED(); }
