#include <support/law.hpp>

using namespace ott_test;

TEST_CASE("law 5: a fork shares its groups, and branches do not touch each other") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    int const groups = tried_groups(*s);
    int const tokens = length_for(*s, groups);
    int const shared = length_for(*s, groups - 1);
    auto const kv = rows_by_layer(*s, 61, tokens, 2, 2);
    auto const other = rows_by_layer(*s, 62, tokens, 2, 2);
    auto const cache = s->make(shape_of(*s, 2, 2, 4, groups), 0x44);
    int const all_pages = cache->available_pages();

    ott::seq_id const parent = cache->create();
    cache->append_all(parent, kv, 0, shared);
    bytes const before = cache->state(parent);
    int const pages = cache->available_pages();
    ott::seq_id const child = cache->fork(parent);
    CHECK(cache->available_pages() == pages);  // nothing was copied
    REQUIRE(difference(cache->state(child), before) == "");

    // The child goes its own way through a flush; the parent stays.
    cache->append_all(child, other, 0, tokens - shared);
    REQUIRE(difference(cache->state(parent), before) == "");
    bytes const child_then = cache->state(child);

    // The parent goes on as if there were no child.
    cache->append_all(parent, kv, shared, tokens - shared);
    REQUIRE(difference(cache->state(child), child_then) == "");
    REQUIRE(difference(cache->state(parent), cache->state(filled(*cache, kv))) == "");

    // A branch of a branch outlives both.
    ott::seq_id const last = cache->fork(child);
    cache->drop(parent);
    cache->drop(child);
    int const free_pages = cache->available_pages();
    ott::seq_id const intruder = filled(*cache, other);  // takes what is free, and nothing else
    CHECK(free_pages - cache->available_pages() == groups);
    REQUIRE(difference(cache->state(last), child_then) == "");
    cache->drop(intruder);
    cache->drop(last);
    CHECK(cache->available_pages() == all_pages - groups);  // those of the control
  }
}

TEST_CASE("law 5: a fork attends as its parent does, bit for bit") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    auto const kv = rows_by_layer(*s, 63, length_for(*s, 2), 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 2, 2), 0x43);
    ott::seq_id const parent = filled(*cache, kv);
    attention call;
    call.batch = {{parent, 2}};
    call.q = queries(query_type::fp32, 64, 2, 1, s->method.head_dim);
    auto const a = cache->attend(call);
    call.batch = {{cache->fork(parent), 2}};
    auto const b = cache->attend(call);
    CHECK(a.out == b.out);
    CHECK(a.lse == b.lse);
  }
}
