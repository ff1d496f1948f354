// Snapshots whose checksum is right and whose states no append can have made.
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <ott/ott.hpp>
#include <support/catch.hpp>
#include <support/typed_cache.hpp>

namespace {

using namespace ott_test;
using P = small;  // G = 32, R = 8
using state_type = ott::head_state<P>;
using cache_under_test = typed_cache<P, ott::host_backend<P>>;

ott::cache_config shape() {
  ott::cache_config config;
  config.num_layers = 1;
  config.num_kv_heads = 2;
  config.num_q_heads = 2;
  config.max_sequences = 2;
  config.max_tokens = 140;
  return config;
}

rows kv_of(int tokens) {
  auto const typed = random_kv<ott::half>(70, tokens, 2, P::head_dim);
  rows wide{tokens, 2, P::head_dim, {}, {}};
  for (auto const x : typed.k) wide.k.push_back(ott::to_float(x));
  for (auto const x : typed.v) wide.v.push_back(ott::to_float(x));
  return wide;
}

/// The blob with the second head's state changed, under a checksum that fits.
template <class Change>
ott::snapshot_bytes forged(ott::snapshot_bytes blob, Change const& change) {
  std::byte* const payload = blob.data() + sizeof(ott::snapshot_header);
  state_type state;
  std::memcpy(&state, payload + sizeof state, sizeof state);
  change(state);
  std::memcpy(payload + sizeof state, &state, sizeof state);
  ott::snapshot_header header;
  std::memcpy(&header, blob.data(), sizeof header);
  header.checksum = ott::detail::checksum(payload, header.payload_bytes);
  std::memcpy(blob.data(), &header, sizeof header);
  return blob;
}

}  // namespace

TEST_CASE("snapshot: a state that no append makes is refused under a right checksum") {
  cache_under_test cache{shape(), 0x22};
  ott::seq_id const id = cache.create();
  cache.append_all(id, {kv_of(110)}, 0, 110);
  ott::snapshot_bytes const saved = cache.save(id);
  bytes const before = cache.everything();

  struct lie {
    char const* of;
    void (*tell)(state_type&);
  };
  lie const lies[] = {
      {"length", [](state_type& s) { ++s.length; }},
      {"groups", [](state_type& s) { --s.num_groups; }},
      {"traced tokens", [](state_type& s) { s.num_traced = ott::traced_capacity<P> + 1; }},
      {"fewer than none", [](state_type& s) { s.num_traced = -1; }},
      {"a bulk append under way", [](state_type& s) { s.tracing_done = 1; }},
      {"a position in the window", [](state_type& s) { s.entries[0].pos = s.window_begin(); }},
      {"a position before the first", [](state_type& s) { s.entries[0].pos = -1; }},
      {"a pool of its own", [](state_type& s) { s.entries[0].evicted = 2; }},
      {"more than the pool holds",
       [](state_type& s) {
         s.num_traced = P::pool + 1;
         for (int e = 0; e <= P::pool; ++e) s.entries[e] = {1, e, 0};
       }},
  };
  for (lie const& each : lies) {
    INFO(each.of);
    try {
      cache.load(forged(saved, each.tell));
      FAIL("was taken");
    } catch (ott::error const& e) {
      CHECK(e.code() == ott::errc::snapshot);
      CHECK(std::string{e.what()}.find("state of a head") != std::string::npos);
    }
    CHECK(difference(cache.everything(), before) == "");
  }
  ott::seq_id const honest = cache.load(forged(saved, [](state_type&) {}));
  CHECK(cache.save(honest) == saved);
}
