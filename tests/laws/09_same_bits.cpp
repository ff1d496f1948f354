#include <support/law.hpp>

using namespace ott_test;

namespace {

struct run {
  bytes state;
  std::vector<std::byte> snapshot;
  attention_result attended;
};

/// A little life: appends, a fork that goes away, a truncation, attention.
run live(subject const& s, unsigned char garbage) {
  int const groups = tried_groups(s);
  auto const kv = rows_by_layer(s, 111, length_for(s, groups), 1, 2);
  auto const cache = s.make(shape_of(s, 1, 2, 3, groups), garbage);
  ott::seq_id const id = cache->create();
  int const half = kv[0].tokens / 2;
  cache->append_all(id, kv, 0, half);
  ott::seq_id const branch = cache->fork(id);
  cache->append_all(branch, kv, 0, half);
  cache->append_all(id, kv, half, kv[0].tokens - half);
  cache->drop(branch);
  cache->truncate(id, kv[0].tokens - 2);
  attention call;
  call.batch = {{id, 3}};
  call.type = query_type::fp16;
  call.q_heads = 6;
  call.q = queries(call.type, 112, 3, 6, s.method.head_dim);
  return {cache->state(id), cache->save(id), cache->attend(call)};
}

}  // namespace

TEST_CASE("law 9: the same input gives the same bits on every run, whatever memory held before") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    run const first = live(*s, 0x00);
    for (unsigned char garbage : {0xff, 0x3c}) {
      run const again = live(*s, garbage);
      REQUIRE(difference(again.state, first.state) == "");
      REQUIRE(again.snapshot == first.snapshot);
      REQUIRE(again.attended.out == first.attended.out);
      REQUIRE(again.attended.lse == first.attended.lse);
    }
  }
}
