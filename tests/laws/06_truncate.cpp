#include <support/law.hpp>

using namespace ott_test;

TEST_CASE("law 6: truncated tokens might as well never have come") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    int const group = s->method.group;
    int const residual = s->method.residual;
    random_source random{71};
    for (int tries = 0; tries < (s->built_in ? 2 : 6); ++tries) {
      int const groups = 1 + random.below(s->built_in ? 1 : 3);
      int const flushed = groups * group;
      int const grown = flushed + residual + random.below(group);
      int const kept = tries == 0 ? flushed : flushed + random.below(grown - flushed + 1);
      int const target = flushed + residual + random.below(group + residual);
      int const later = target > kept ? target : kept;
      INFO(s->name() << ": " << grown << " tokens cut to " << kept << ", grown to " << later);

      auto const kv = rows_by_layer(*s, 72 + static_cast<std::uint64_t>(tries), grown, 2, 1);
      auto const fresh = rows_by_layer(*s, 82 + static_cast<std::uint64_t>(tries), later + 1, 2, 1);
      auto const cache = s->make(shape_of(*s, 2, 1, 2, groups + 3), 0x66);
      ott::seq_id const id = filled(*cache, kv);
      REQUIRE(cache->num_groups(id, 0) == groups);
      auto const homes = cache->homes(id, 0, 0);
      cache->truncate(id, kept);
      CHECK(cache->length(id, 0) == kept);
      CHECK(cache->num_groups(id, 1) == groups);  // a flush is not undone
      auto const homes_then = cache->homes(id, 0, 0);
      for (std::size_t pos = 0; pos < homes_then.size(); ++pos)
        REQUIRE(homes_then[pos] == homes[pos]);
      cache->append_all(id, fresh, 0, later - kept);

      ott::seq_id const never = cache->create();
      cache->append_all(never, kv, 0, kept);
      cache->append_all(never, fresh, 0, later - kept);
      REQUIRE(difference(cache->state(id), cache->state(never)) == "");
    }
  }
}

TEST_CASE("law 6: attention right after a truncation sees what is left, once") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    auto const kv = rows_by_layer(*s, 73, length_for(*s, 1), 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 1, 2), 0x65);
    ott::seq_id const id = filled(*cache, kv);
    cache->truncate(id, s->method.group);  // an empty window
    for (home const h : cache->homes(id, 0, 0)) REQUIRE((h != home::nowhere && h != home::twice));
    attention call;
    call.batch = {{id, 1}};
    call.q.assign(static_cast<std::size_t>(s->method.head_dim), 0.0f);
    CHECK(std::exp(static_cast<double>(cache->attend(call).lse[0])) ==
          Approx(s->method.group).epsilon(1e-3));
  }
}

TEST_CASE("law 6: truncating into a group, or upwards, is refused and changes nothing") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    auto const kv = rows_by_layer(*s, 74, length_for(*s, 1), 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 1, 2), 0x64);
    ott::seq_id const id = filled(*cache, kv);
    bytes const before = cache->everything();
    CHECK_THROWS_AS(cache->truncate(id, s->method.group - 1), ott::error);
    CHECK_THROWS_AS(cache->truncate(id, kv[0].tokens + 1), ott::error);
    CHECK_THROWS_AS(cache->truncate(id, -1), ott::error);
    CHECK(difference(cache->everything(), before) == "");
    CHECK(cache->length(id, 0) == kv[0].tokens);
  }
}
