#include <cstring>

#include <ott/core/error.hpp>
#include <support/law.hpp>

using namespace ott_test;

namespace {

using blob = std::vector<std::byte>;

ott::errc refusal(any_cache& cache, blob const& damaged) {
  try {
    cache.load(damaged);
  } catch (ott::error const& e) {
    return e.code();
  }
  FAIL("a damaged blob was taken");
  return ott::errc::device;
}

}  // namespace

TEST_CASE("law 7: export then import is bit-identical, into other pages and slots") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    int const groups = tried_groups(*s);
    auto const kv = rows_by_layer(*s, 91, length_for(*s, groups), 2, 2);
    auto const more = rows_by_layer(*s, 92, s->method.group, 2, 2);
    auto const config = shape_of(*s, 2, 2, 3, groups);
    auto const from = s->make(config, 0x01);
    auto const to = s->make(config, 0xfe);
    ott::seq_id const id = filled(*from, kv);
    blob const saved = from->save(id);
    CHECK(from->save(id) == saved);

    auto const in_the_way = rows_by_layer(*s, 93, s->method.group + s->method.residual, 2, 2);
    filled(*to, in_the_way);
    ott::seq_id const loaded = to->load(saved);
    REQUIRE(difference(to->state(loaded), from->state(id)) == "");
    CHECK(to->save(loaded) == saved);  // what memory held before does not show

    // And it lives on alike.
    from->append_all(id, more, 0, s->method.group / 2);
    to->append_all(loaded, more, 0, s->method.group / 2);
    REQUIRE(difference(to->state(loaded), from->state(id)) == "");

    // Across backends too.
    auto const host = on_host(*s).make(config, 0x55);
    ott::seq_id const there = host->load(saved);
    CHECK(host->save(there) == saved);
  }
}

TEST_CASE(
    "law 7: a snapshot tells nothing of how its tokens came, and nothing of those that went") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    if (s->built_in) continue;
    INFO(s->name());
    int const tokens = length_for(*s, 2);
    auto const kv = rows_by_layer(*s, 99, tokens, 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 2, 2), 0x35);
    blob const at_once = cache->save(filled(*cache, kv));
    ott::seq_id const slowly = cache->create();
    for (int t = 0; t < tokens - 1; ++t) cache->append_all(slowly, kv, t, 1);
    cache->append_all(slowly, kv, 0, 3);  // a draft that is rejected
    cache->truncate(slowly, tokens - 1);
    cache->append_all(slowly, kv, tokens - 1, 1);
    CHECK(cache->save(slowly) == at_once);
  }
}

TEST_CASE("law 7: a truncated and an empty sequence can be exported") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    auto const kv = rows_by_layer(*s, 94, length_for(*s, 1), 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 3, 2), 0x21);
    ott::seq_id const id = filled(*cache, kv);
    cache->truncate(id, s->method.group);
    ott::seq_id const loaded = cache->load(cache->save(id));
    REQUIRE(difference(cache->state(loaded), cache->state(id)) == "");
    cache->drop(loaded);
    ott::seq_id const none = cache->create();
    CHECK(cache->length(cache->load(cache->save(none)), 0) == 0);
  }
}

TEST_CASE("law 7: a damaged blob is refused and the cache is unchanged") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    if (s->built_in) continue;
    INFO(s->name());
    auto const kv = rows_by_layer(*s, 95, length_for(*s, 2), 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 2, 2), 0x31);
    blob const saved = cache->save(filled(*cache, kv));
    bytes const before = cache->everything();
    int const pages = cache->available_pages();

    random_source random{96};
    for (int tries = 0; tries < 60; ++tries) {  // one bit, anywhere; the header more often
      blob damaged = saved;
      auto const at =
          static_cast<std::size_t>(random.below(tries < 30 ? 64 : static_cast<int>(saved.size())));
      damaged[at] ^= std::byte{1} << random.below(8);
      INFO("byte " << at);
      REQUIRE(refusal(*cache, damaged) == ott::errc::snapshot);
    }
    for (std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{63}, std::size_t{64},
                             saved.size() / 2, saved.size() - 1}) {
      REQUIRE(
          refusal(*cache, blob(saved.begin(), saved.begin() + static_cast<std::ptrdiff_t>(size))) ==
          ott::errc::snapshot);
    }
    blob longer = saved;
    longer.push_back(std::byte{0});
    REQUIRE(refusal(*cache, longer) == ott::errc::snapshot);

    CHECK(difference(cache->everything(), before) == "");
    CHECK(cache->available_pages() == pages);
    CHECK(cache->num_sequences() == 1);
  }
}

TEST_CASE("law 7: another policy's blob is refused") {
  OTT_NEEDS_SUBJECTS();
  auto const all = subjects();
  for (std::size_t i = 0; i < all.size(); ++i) {
    subject const& s = *all[i];
    subject const& other = *all[(i + 1) % all.size()];
    INFO(other.name() << " into " << s.name());
    auto const cache = s.make(shape_of(s, 1, 1, 1, 1), 0x32);
    auto const from = other.make(shape_of(other, 1, 1, 1, 1), 0x33);
    CHECK(refusal(*cache, from->save(filled(*from, rows_by_layer(other, 97, 5, 1, 1)))) ==
          ott::errc::snapshot);
    CHECK(cache->num_sequences() == 0);
  }
}

TEST_CASE("law 7: a blob of other layers or heads is refused; without room, capacity") {
  OTT_NEEDS_SUBJECTS();
  subject const& s = *subjects().front();
  auto const kv = rows_by_layer(s, 98, length_for(s, 1), 1, 1);
  auto const from = s.make(shape_of(s, 1, 1, 1, 2), 0x34);
  blob const saved = from->save(filled(*from, kv));
  CHECK(refusal(*s.make(shape_of(s, 2, 1, 1, 2), 1), saved) == ott::errc::snapshot);
  CHECK(refusal(*s.make(shape_of(s, 1, 2, 1, 2), 1), saved) == ott::errc::snapshot);
  CHECK(refusal(*from, saved) == ott::errc::capacity);  // its one slot is taken
  auto config = shape_of(s, 1, 1, 2, 2);
  config.num_pages = 1;
  auto const tight = s.make(config, 2);
  tight->load(saved);
  CHECK(refusal(*tight, saved) == ott::errc::capacity);  // its one page is taken
  CHECK(tight->num_sequences() == 1);
}
