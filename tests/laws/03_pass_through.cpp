#include <support/against_oracle.hpp>
#include <support/law.hpp>

using namespace ott_test;

// With nothing quantized the cache is an ordinary one.
TEST_CASE("law 3: with a pass-through quantizer attention is exact attention") {
  OTT_NEEDS_SUBJECTS();
  int tried = 0;
  for (subject const* s : subjects()) {
    if (!s->passes_through) continue;
    ++tried;
    int const tokens = length_for(*s, tried_groups(*s));
    int const heads = 2;
    auto const kv = rows_by_layer(*s, 31, tokens, 1, heads);
    auto const cache = s->make(shape_of(*s, 1, heads, 1, tried_groups(*s)), 0x11);
    ott::seq_id const id = filled(*cache, kv);
    for (query_type type : {query_type::fp16, query_type::bf16, query_type::fp32}) {
      int const rows = 5;
      attention call;
      call.batch = {{id, rows}};
      call.type = type;
      call.q_heads = 3 * heads;
      call.q = queries(type, 32, rows, call.q_heads, s->method.head_dim);
      auto const got = cache->attend(call);
      frobenius error;
      for (int q_head = 0; q_head < call.q_heads; ++q_head) {
        auto const oracle = oracle_of(*s, kv[0], q_head / 3, tokens, s->method.pool);
        for (int row = 0; row < rows; ++row) {
          auto const at = static_cast<std::size_t>(row * call.q_heads + q_head);
          auto const size = static_cast<std::size_t>(s->method.head_dim);
          naive::row const q(call.q.begin() + static_cast<std::ptrdiff_t>(at * size),
                             call.q.begin() + static_cast<std::ptrdiff_t>((at + 1) * size));
          auto const want = oracle.exact(q, tokens - rows + row);
          error.add(got.out.data() + at * size, want.out);
          REQUIRE(static_cast<double>(got.lse[at]) == Approx(want.lse).margin(2e-3).epsilon(1e-4));
        }
      }
      INFO(s->name() << ", queries of type " << static_cast<int>(type));
      CHECK(error.relative() < (type == query_type::bf16 ? 4e-3 : 6e-4));  // the output's rounding
    }
  }
  CHECK(tried > 0);
}
