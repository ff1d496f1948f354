// Whole flushes inside static_assert: the compiler runs the same text as the GPU, and refuses
// undefined behaviour on the way. The numbers were found with a pencil.
#include <ott/algo/append.hpp>
#include <ott/layout/group_block.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

namespace {

template <class Base, int Pool>
struct one_after : Base {  // a group of 32 is flushed with the 33rd token
  static constexpr int residual = 1;
  static constexpr int pool = Pool;
  static constexpr int evicted = 0;
};
using tiny = one_after<ott_test::tiny, 1>;
using turned = one_after<ott_test::tiny_rotated, 0>;

template <class P>
struct outcome {
  ott::head_state<P> state{};
  ott::group_block<P> block{};
};

/// Appends 33 tokens, the first `cut` of them in a call of their own; the first 32 are flushed.
template <class P, class Key, class Value>
constexpr outcome<P> appended(Key const& key, Value const& value, int cut) {
  constexpr int tokens = P::group + P::residual;
  ott::half k[tokens * P::head_dim]{};
  ott::half v[tokens * P::head_dim]{};
  for (int t = 0; t < tokens; ++t) {
    for (int c = 0; c < P::head_dim; ++c) {
      k[t * P::head_dim + c] = ott::from_float<ott::half>(key(t, c));
      v[t * P::head_dim + c] = ott::from_float<ott::half>(value(t, c));
    }
  }
  outcome<P> out;
  ott::flush_scratch<P> scratch{};
  std::int32_t const pages[] = {0};
  ott::sequence_view<P> const seq{&out.state, &out.block, pages, 1, 1, 0};
  auto const keys = ott::dense_view<ott::half const>(k, tokens, 1, P::head_dim);
  auto const values = ott::dense_view<ott::half const>(v, tokens, 1, P::head_dim);
  ott::append_tokens<P>(ott::serial_team{}, scratch, seq, P::pool, keys.slice(0, cut),
                        values.slice(0, cut));
  ott::append_tokens<P>(ott::serial_team{}, scratch, seq, P::pool, keys.slice(cut, tokens - cut),
                        values.slice(cut, tokens - cut));
  return out;
}

// Key channel c runs through c, c + 1, c + 2, c + 3, but token 5 is 0.5 throughout: the smallest
// key.
constexpr float key_of(int t, int c) {
  return t == 5 ? 0.5f : static_cast<float>(c) + static_cast<float>(t % 4);
}
// A value token is t in even channels and t + 3 in odd ones.
constexpr float value_of(int t, int c) { return static_cast<float>(t + c % 2 * 3); }

constexpr bool paper_is_right(int cut) {
  auto const out = appended<tiny>(key_of, value_of, cut);
  bool ok = out.state.length == 33 && out.state.num_groups == 1 && out.state.num_traced == 1;
  ok = ok && out.state.entries[0].pos == 5 && out.state.entries[0].evicted == 0;
  ok = ok && out.state.entries[0].score == 8ull << 24;  // 16 * 0.5
  ok = ok && out.block.v.marks[0] == 1u << 5;
  for (int c = 0; c < 16; ++c) {
    ok = ok && ott::to_float(out.state.traced_k[c]) == 0.5f;
    ok = ok && ott::to_float(out.state.traced_v[c]) == value_of(5, c);
    ok = ok &&
         ott::to_float(out.state.window_k[32 * 16 + c]) == key_of(32, c);  // position 32, row 32
    ok = ok && ott::to_float(out.block.key_param(0, c, 0)) == 1.0f;        // scale
    ok = ok && ott::to_float(out.block.key_param(0, c, 1)) == static_cast<float>(c);
    for (int t = 0; t < 32; ++t) {
      // For token 5 stands the mean of the others, c + 47 / 31 = c + 1.516.
      ok = ok && out.block.key_code(t, c) == (t == 5 ? 2 : t % 4);
      ok = ok && out.block.value_code(t, c) == (c % 2 == 0 ? 0 : 3);
      if (t == 5) continue;
      ok = ok && ott::to_float(out.block.value_param(t, c, 0)) == 1.0f;
      ok = ok && ott::to_float(out.block.value_param(t, c, 1)) == static_cast<float>(t);
      ok = ok && out.block.key(t, c) == key_of(t, c) && out.block.value(t, c) == value_of(t, c);
    }
  }
  return ok;
}

// Word 0 of the keys is lane 0, register 0: tokens 0 and 16, channels 0 .. 3 (k-step 0) and 8 .. 11
// (k-step 1) in four fields a byte: code 0 in all. Word 16 is lane 4: tokens 1 and 17, code 1. Word
// 4 is lane 1, channels 16 and up: there are none, code 0.
constexpr auto paper_words = appended<tiny>(key_of, value_of, 33).block;
static_assert(paper_words.key_codes()[0] == 0u && paper_words.key_codes()[16] == 0x55555555u);
static_assert(paper_words.key_codes()[20] == 0u);

static_assert(paper_is_right(33));
static_assert(paper_is_right(10), "invariant 1, by the compiler");

// All channels of key t are t + 1: the rotated key is 4 (t + 1) in channel 0 and zero elsewhere.
constexpr bool turned_is_right() {
  auto const out = appended<turned>([](int t, int) { return static_cast<float>(t + 1); },
                                    [](int t, int) { return static_cast<float>(t); }, 33);
  bool ok = out.state.num_groups == 1 && out.state.num_traced == 0;
  for (int t = 0; t < 32; ++t) {
    ok = ok && out.block.key_factor(t) == 4.0f * static_cast<float>(t + 1);
    ok = ok && out.block.key(t, 0) == 4.0f * static_cast<float>(t + 1);
    for (int c = 1; c < 16; ++c) ok = ok && out.block.key(t, c) == 0.0f;
    // Values: one of sixteen is 4 t, the others 0; min-max has no error, so no fit is better.
    ok = ok && out.block.value(t, 0) >= 3.99f * static_cast<float>(t);
    ok = ok && out.block.value(t, 0) <= 4.01f * static_cast<float>(t);
    for (int c = 1; c < 16; ++c) ok = ok && out.block.value(t, c) == 0.0f;
  }
  return ok;
}
static_assert(turned_is_right());

}  // namespace

TEST_CASE("static: a whole flush, by the compiler and at run time") {
  CHECK(paper_is_right(33));
  CHECK(paper_is_right(1));
  CHECK(turned_is_right());
}
