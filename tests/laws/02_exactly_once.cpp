#include <cmath>

#include <support/law.hpp>

using namespace ott_test;

TEST_CASE("law 2: every token lives in exactly one place") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    int const tokens = length_for(*s, tried_groups(*s));
    auto const kv = rows_by_layer(*s, 11, tokens, 1, 2);
    auto const cache = s->make(shape_of(*s, 1, 2, 1, tried_groups(*s)), 0xff);
    ott::seq_id const id = filled(*cache, kv);
    int traced = 0;
    for (int head = 0; head < 2; ++head) {
      for (home const h : cache->homes(id, 0, head)) {
        REQUIRE(h != home::nowhere);
        REQUIRE(h != home::twice);
        traced += h == home::pool || h == home::evicted ? 1 : 0;
      }
    }
    bool const traces = s->method.pool > 0 && s->method.selection != naive::rule::none;
    CHECK((traced > 0) == traces);  // the planted tiny keys are found
  }
}

// A zero query gives every key the same score, so lse is the logarithm of how many took part.
TEST_CASE("law 2: every token up to the query takes part exactly once") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    int const tokens = length_for(*s, tried_groups(*s));
    auto const kv = rows_by_layer(*s, 12, tokens, 1, 1);
    auto const cache = s->make(shape_of(*s, 1, 1, 1, tried_groups(*s)), 0x00);
    ott::seq_id const id = filled(*cache, kv);
    for (int window : {0, 1, 7, s->method.group + 3}) {
      attention call;
      call.batch = {{id, tokens}};
      call.q_heads = 1;
      call.q.assign(static_cast<std::size_t>(tokens) * s->method.head_dim, 0.0f);
      call.sliding_window = window;
      for (int pos = 0; pos < tokens; ++pos) call.q_pos.push_back(tokens - 1 - pos);
      auto const got = cache->attend(call);
      REQUIRE(got.lse.size() == static_cast<std::size_t>(tokens));
      for (int row = 0; row < tokens; ++row) {
        int const seen = call.q_pos[static_cast<std::size_t>(row)] + 1;
        int const counted = window > 0 && window < seen ? window : seen;
        INFO("position " << seen - 1 << ", sliding window " << window);
        double const lse = got.lse[static_cast<std::size_t>(row)];
        REQUIRE(std::exp(lse) == Approx(counted).epsilon(1e-3));
      }
    }
  }
}

TEST_CASE("law 2: a query that sees nothing gets zeros and minus infinity") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    auto const cache = s->make(shape_of(*s, 1, 1, 1, 1), 0x77);
    ott::seq_id const id = cache->create();
    attention call;
    call.batch = {{id, 1}};
    call.q = queries(query_type::fp32, 1, 1, 1, s->method.head_dim);
    auto const got = cache->attend(call);  // an empty sequence
    CHECK(got.lse[0] == -INFINITY);
    for (float const x : got.out) REQUIRE(x == 0.0f);
  }
}
