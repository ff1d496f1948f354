#include <cmath>
#include <vector>

#include <oracle/naive.hpp>
#include <ott/host/merge.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

constexpr int D = 8;

struct part {
  std::vector<float> out;
  std::vector<float> lse;
};

naive::row random_row(ott_test::random_source& random) {
  naive::row r(D);
  for (double& x : r) x = random.normal();
  return r;
}

}  // namespace

TEST_CASE("merge: two halves of the tokens give attention over all") {
  ott_test::random_source random{1};
  int const rows = 3, heads = 2;
  part a, b;
  std::vector<naive::attended> want;
  for (int i = 0; i < rows * heads; ++i) {
    naive::row const q = random_row(random);
    naive::softmax left{q, 100, {}}, right{q, 100, {}}, all{q, 100, {}};
    for (int t = 0; t < 20; ++t) {
      naive::row const k = random_row(random), v = random_row(random);
      (t < 7 ? left : right).add(t, k, v);
      all.add(t, k, v);
    }
    want.push_back(all.result());
    for (auto const* const pair : {&left, &right}) {
      auto const got = pair->result();
      part& to = pair == &left ? a : b;
      to.out.insert(to.out.end(), got.out.begin(), got.out.end());
      to.lse.push_back(static_cast<float>(got.lse));
    }
  }
  ott::merge<float>(ott::dense_view(a.out.data(), rows, heads, D), a.lse.data(),
                    ott::dense_view<float const>(b.out.data(), rows, heads, D), b.lse.data());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(static_cast<double>(a.lse[i]) == Approx(want[i].lse).epsilon(1e-5));
    for (std::size_t c = 0; c < D; ++c) {
      REQUIRE(static_cast<double>(a.out[i * D + c]) ==
              Approx(want[i].out[c]).epsilon(1e-4).margin(1e-5));
    }
  }
}

TEST_CASE("merge: a part that saw nothing changes nothing, on either side") {
  float some[] = {1.0f, 2.0f};
  float lse_some = 0.5f;
  float none[] = {0.0f, 0.0f};
  float lse_none = -INFINITY;
  ott::merge<float>(ott::dense_view(some, 1, 1, 2), &lse_some,
                    ott::dense_view<float const>(none, 1, 1, 2), &lse_none);
  CHECK(some[1] == 2.0f);
  CHECK(lse_some == 0.5f);
  ott::merge<float>(ott::dense_view(none, 1, 1, 2), &lse_none,
                    ott::dense_view<float const>(some, 1, 1, 2), &lse_some);
  CHECK(none[1] == 2.0f);
  CHECK(lse_none == 0.5f);
  float empty[] = {0.0f, 0.0f};
  float lse_a = -INFINITY;
  float lse_b = -INFINITY;
  ott::merge<float>(ott::dense_view(empty, 1, 1, 2), &lse_a,
                    ott::dense_view<float const>(empty, 1, 1, 2), &lse_b);
  CHECK(lse_a == -INFINITY);
  CHECK(empty[0] == 0.0f);
}
