#include <cmath>
#include <vector>

#include <ott/host/softmax_state.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

constexpr int D = 4;
using state = ott::softmax_state<D>;

struct seen {
  float score;
  float value[D];
};

std::vector<seen> random_tokens(std::uint64_t seed, int count, double spread) {
  ott_test::random_source random{seed};
  std::vector<seen> tokens(static_cast<std::size_t>(count));
  for (seen& t : tokens) {
    t.score = static_cast<float>(spread * random.normal());
    for (float& x : t.value) x = static_cast<float>(random.normal());
  }
  return tokens;
}

state of(std::vector<seen> const& tokens, std::size_t first, std::size_t last) {
  state s;
  for (std::size_t i = first; i < last; ++i) s.add(tokens[i].score, tokens[i].value);
  return s;
}

void check_same(state const& a, state const& b) {
  REQUIRE(static_cast<double>(a.lse()) ==
          Approx(static_cast<double>(b.lse())).epsilon(1e-5).margin(1e-5));
  for (int c = 0; c < D; ++c) {
    REQUIRE(static_cast<double>(a.out[c] / a.sum) ==
            Approx(static_cast<double>(b.out[c] / b.sum)).epsilon(1e-4).margin(1e-5));
  }
}

}  // namespace

TEST_CASE("softmax state: a fold is softmax by the book") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    auto const tokens = random_tokens(seed, 40, seed % 2 == 0 ? 1.0 : 40.0);
    state const s = of(tokens, 0, tokens.size());
    double top = -INFINITY;
    for (seen const& t : tokens) top = std::max(top, static_cast<double>(t.score));
    double sum = 0;
    double out = 0;
    for (seen const& t : tokens) {
      double const weight = std::exp(static_cast<double>(t.score) - top);
      sum += weight;
      out += weight * static_cast<double>(t.value[1]);
    }
    REQUIRE(static_cast<double>(s.lse()) == Approx(top + std::log(sum)).epsilon(1e-6).margin(1e-5));
    REQUIRE(static_cast<double>(s.out[1] / s.sum) == Approx(out / sum).epsilon(1e-4).margin(1e-5));
  }
}

TEST_CASE("softmax state: merging is associative, commutative, and has an identity") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    auto const tokens = random_tokens(seed, 30, 10.0);
    state const a = of(tokens, 0, 7);
    state const b = of(tokens, 7, 8);
    state const c = of(tokens, 8, 30);
    state left = a;
    left.merge(b);
    left.merge(c);
    state right = b;
    right.merge(c);
    state whole = a;
    whole.merge(right);
    check_same(left, whole);
    check_same(left, of(tokens, 0, 30));
    state turned = c;
    turned.merge(a);
    turned.merge(b);
    check_same(turned, left);
    state with_none = left;
    with_none.merge(state{});
    CHECK(with_none.lse() == left.lse());
    state none;
    none.merge(left);
    check_same(none, left);
  }
}

TEST_CASE("softmax state: nothing seen") {
  CHECK(state{}.lse() == -INFINITY);
  state s;
  s.merge(state{});
  CHECK(s.sum == 0.0f);
  CHECK(s.lse() == -INFINITY);
}

TEST_CASE("softmax state: scores far apart neither overflow nor vanish wrongly") {
  float const value[D] = {1, 2, 3, 4};
  float const other[D] = {5, 6, 7, 8};
  state s;
  s.add(-3000.0f, value);
  s.add(3000.0f, other);
  CHECK(s.lse() == 3000.0f);
  CHECK(s.out[0] / s.sum == 5.0f);
  s.add(-3000.0f, value);
  CHECK(s.out[0] / s.sum == 5.0f);
}
