#include <support/law.hpp>

using namespace ott_test;

namespace {

/// Rows of several sequences one after the other, as one call wants them.
rows stacked(std::vector<rows> const& parts) {
  rows all{0, parts[0].heads, parts[0].head_dim, {}, {}};
  for (rows const& part : parts) {
    all.tokens += part.tokens;
    all.k.insert(all.k.end(), part.k.begin(), part.k.end());
    all.v.insert(all.v.end(), part.v.begin(), part.v.end());
  }
  return all;
}

}  // namespace

TEST_CASE("law 8: state and output do not depend on what else is in the batch") {
  OTT_NEEDS_SUBJECTS();
  for (subject const* s : subjects()) {
    INFO(s->name());
    int const groups = s->built_in ? 1 : 3;
    int const count = 4;
    int const heads = 2;
    auto config = shape_of(*s, 1, heads, 2 * count, groups + 2);
    auto const cache = s->make(config, 0x71);
    random_source random{101};
    std::vector<rows> kv;
    std::vector<ott::seq_id> together;
    std::vector<ott::seq_id> alone;
    for (int i = 0; i < count; ++i) {
      int const tokens = i == 0 ? length_for(*s, groups) : 3 + random.below(length_for(*s, groups));
      kv.push_back(s->random_rows(102 + static_cast<std::uint64_t>(i), tokens, heads));
      together.push_back(cache->create());
      alone.push_back(cache->create());
    }
    // In steps of uneven rows, sequences dropping out of the batch as they are done, and order
    // changing.
    std::vector<int> done(count, 0);
    for (int step = 0;; ++step) {
      entries batch;
      std::vector<rows> parts;
      for (int j = 0; j < count; ++j) {
        int const i = (j + step) % count;
        auto const at = static_cast<std::size_t>(i);
        int const left = kv[at].tokens - done[at];
        if (left == 0) continue;
        int const piece = std::min(left, 1 + random.below(2 * s->method.group));
        batch.push_back({together[at], piece});
        parts.push_back(kv[at].slice(done[at], piece));
        done[at] += piece;
      }
      if (batch.empty()) break;
      cache->append(batch, 0, stacked(parts));
    }
    for (std::size_t i = 0; i < count; ++i) {
      cache->append({{alone[i], kv[i].tokens}}, 0, kv[i]);
      REQUIRE(difference(cache->state(together[i]), cache->state(alone[i])) == "");
    }

    attention all;
    all.type = query_type::fp16;
    all.q_heads = 3 * heads;
    std::vector<attention_result> want;
    for (std::size_t i = 0; i < count; ++i) {
      attention one;
      int const num_rows = 1 + static_cast<int>(i) % 3;
      one.type = all.type;
      one.q_heads = all.q_heads;
      one.batch = {{alone[i], num_rows}};
      one.q = queries(all.type, 103 + i, num_rows, all.q_heads, s->method.head_dim);
      want.push_back(cache->attend(one));
      all.batch.push_back({together[i], num_rows});
      all.q.insert(all.q.end(), one.q.begin(), one.q.end());
    }
    auto const got = cache->attend(all);
    std::size_t row = 0;
    std::size_t number = 0;
    for (attention_result const& w : want) {
      for (float const x : w.out) REQUIRE(x == got.out[number++]);
      for (float const x : w.lse) REQUIRE(x == got.lse[row++]);
    }
  }
}
