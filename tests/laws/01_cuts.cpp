#include <support/law.hpp>

using namespace ott_test;

TEST_CASE("law 1: state does not depend on how tokens were cut into appends") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    for (std::uint64_t seed = 1; seed <= (s->built_in ? 1 : 3); ++seed) {
      INFO(s->name() << ", seed " << seed);
      int const tokens = length_for(*s, tried_groups(*s));
      auto const kv = rows_by_layer(*s, seed, tokens, 1, 2);
      auto const cache = s->make(shape_of(*s, 1, 2, 4, tried_groups(*s)), 0xcd);
      bytes const at_once = cache->state(filled(*cache, kv));

      random_source random{seed};
      for (int way = 0; way < 3; ++way) {
        ott::seq_id const id = cache->create();
        int first = 0;
        int const largest = way == 0 ? 1 : way == 1 ? 2 * s->method.group : s->method.group / 2;
        for (int const piece : random_cuts(random, tokens, largest)) {
          cache->append_all(id, kv, first, piece);
          first += piece;
        }
        INFO("way " << way);
        REQUIRE(difference(cache->state(id), at_once) == "");
        cache->drop(id);
      }
    }
  }
}

TEST_CASE("law 1: a prefix of the appends leaves the state of that length") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    if (s->built_in) continue;
    INFO(s->name());
    int const tokens = length_for(*s, 3);
    auto const kv = rows_by_layer(*s, 7, tokens, 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 2, 3), 0x5a);
    ott::seq_id const grown = cache->create();
    for (int length = 1; length <= tokens; ++length) {
      cache->append_all(grown, kv, length - 1, 1);
      if (length % 13 != 0 && length % s->method.group > 1) continue;
      ott::seq_id const fresh = cache->create();
      cache->append_all(fresh, kv, 0, length);
      INFO("length " << length);
      REQUIRE(difference(cache->state(grown), cache->state(fresh)) == "");
      cache->drop(fresh);
    }
  }
}
