// The oracle on cases small enough for a pencil: it judges the others, so it is judged by hand.
#include <oracle/naive.hpp>
#include <support/catch.hpp>

namespace {

naive::method tiny() {
  naive::method m{2, 4, 1, 1, 1};
  m.k.width = m.v.width = 2;
  return m;
}

naive::head_cache filled(naive::method m, std::vector<naive::token> const& tokens) {
  naive::head_cache cache{m, m.pool};
  for (naive::token const& t : tokens) cache.append(t);
  return cache;
}

}  // namespace

TEST_CASE("oracle: fp16 and bf16 as stored") {
  using naive::number;
  using naive::stored;
  CHECK(stored(number::fp16, 1.0) == 1.0);
  CHECK(stored(number::fp16, 1.0 + 0x1p-11) == 1.0);               // a tie goes to even
  CHECK(stored(number::fp16, 1.0 + 3 * 0x1p-11) == 1.0 + 0x1p-9);  // and so does this one
  CHECK(stored(number::fp16, 1e9) == 65504.0);
  CHECK(stored(number::fp16, 65519.0) == 65504.0);
  CHECK(stored(number::fp16, 0x1p-24) == 0x1p-24);
  CHECK(stored(number::fp16, 0x1p-25) == 0.0);
  CHECK_FALSE(std::signbit(stored(number::fp16, -0x1p-30)));
  CHECK(stored(number::fp16, NAN) == 0.0);
  CHECK(stored(number::bf16, 1.0 + 0x1p-8) == 1.0);
  CHECK(stored(number::bf16, -1e39) < -3.38e38);
  CHECK(stored(number::fp32, 0.1) == static_cast<double>(0.1f));
}

TEST_CASE("oracle: Hadamard of size 4, and blocks of an odd multiple") {
  CHECK(naive::hadamard({1, 2, 3, 4}) == naive::row{5, -1, -2, 0});
  naive::row const six = naive::hadamard({1, 1, 2, 0, 3, 3});  // three blocks of two
  CHECK(six[0] == Approx(std::sqrt(2.0)));
  CHECK(six[1] == Approx(0.0).margin(1e-12));
  CHECK(six[3] == Approx(std::sqrt(2.0)));
}

TEST_CASE("oracle: one group by hand") {
  // Scores 3, 7, 0.5, 9: token 2 is traced. Channel 0 of the rest is 0, 3, 6; channel 1 is 3, 4, 3.
  auto const cache = filled(tiny(), {{{0, 3}, {0, 3}},
                                     {{3, 4}, {1, 1}},
                                     {{.25, .25}, {9, 9}},
                                     {{6, 3}, {-3, 0}},
                                     {{1, 1}, {2, 2}}});
  REQUIRE(cache.num_groups() == 1);
  naive::coded_group const& g = cache.group(0);
  CHECK(g.marks == std::vector<bool>{false, false, true, false});
  CHECK(g.k.scale[0] == naive::row{2.0, naive::stored(naive::number::fp16, 1.0 / 3)});
  CHECK(g.k.zero[0] == naive::row{0.0, 3.0});
  CHECK(g.k.codes[0] == std::vector<int>{0, 0});
  CHECK(g.k.codes[1] == std::vector<int>{2, 3});  // 1.5 rounds to even
  CHECK(g.k.codes[3] == std::vector<int>{3, 0});
  CHECK(g.v.scale[0][0] == 1.0);
  CHECK(g.v.scale[1][0] == 0.0);  // a constant row: codes 0, zero the value
  CHECK(g.v.zero[1][0] == 1.0);
  CHECK(g.v.codes[3] == std::vector<int>{0, 3});
  REQUIRE(cache.all_traced().size() == 1);
  CHECK(cache.all_traced()[0].pos == 2);
  CHECK(cache.all_traced()[0].score == 0.5);

  // Query (0, 0) weighs all five alike; token 2 and the window are exact.
  naive::attended const all = cache.attend({0, 0}, 4);
  CHECK(all.lse == Approx(std::log(5.0)));
  CHECK(all.out[0] == Approx((0 + 1 + 9 - 3 + 2) / 5.0));
  CHECK(all.out[1] == Approx((3 + 1 + 9 + 0 + 2) / 5.0));
  CHECK(cache.attend({0, 0}, 1).lse == Approx(std::log(2.0)));
  CHECK(cache.attend({0, 0}, 4, {0, 0, 2}).lse == Approx(std::log(2.0)));
  CHECK(cache.exact({0, 0}, 4).out[0] == Approx(9 / 5.0));
}

TEST_CASE("oracle: a smaller key displaces the pool's largest, until the evicted pool is full") {
  std::vector<naive::token> tokens;
  for (double size : {4.0, 5.0, 6.0, 7.0, 3.0, 5.0, 6.0, 7.0, 2.0, 5.0, 6.0, 7.0, 1.0}) {
    tokens.push_back({{size, 0}, {size, 0}});
  }
  auto const cache = filled(tiny(), tokens);
  REQUIRE(cache.num_groups() == 3);
  REQUIRE(cache.all_traced().size() == 2);
  CHECK(cache.all_traced()[0].pos == 0);
  CHECK(cache.all_traced()[0].evicted);
  CHECK(cache.all_traced()[1].pos == 4);
  CHECK_FALSE(cache.all_traced()[1].evicted);
  CHECK(cache.group(2).marks == std::vector<bool>(4, false));
}
