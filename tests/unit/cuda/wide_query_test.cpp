#include <ott/cuda/wide_query.hpp>
#include <support/bit_policies.hpp>
#include <support/catch.hpp>

#include <cmath>
#include <memory>
#include <set>
#include <utility>

namespace {

template <class Base, int HeadDim>
struct of_dim : Base {
  static constexpr int head_dim = HeadDim;
};
struct bf16_params : ott::paper_policy {
  using param = ott::bf16;
};
struct three_bit_keys : ott::paper_policy {
  using key_quantizer = ott::affine<3>;
};
struct three_bit_values : ott::paper_policy {
  using value_quantizer = ott::affine<3>;
};

static_assert(ott::has_wide_groups<ott::paper_policy> && ott::has_wide_groups<ott::rotated_policy>);
// Values alone decide: in two planes of codes they forbid the wide path, which keys may have.
static_assert(ott::has_integer_groups<three_bit_values>);
static_assert(ott::has_wide_groups<three_bit_keys> && !ott::has_wide_groups<three_bit_values>);
static_assert(!ott::has_wide_groups<ott_test::three_bits> && !ott::has_wide_groups<bf16_params>);
static_assert(!ott::has_wide_groups<ott::dense_policy>);
static_assert(ott::is_wide<ott::paper_policy, 2> && !ott::is_wide<ott::paper_policy, 1>);

float element(int row, int channel) {
  return std::sin(static_cast<float>(row * 1000 + channel)) * std::exp2(static_cast<float>(row));
}

template <class P>
void check_places() {
  using query = ott::wide_query<P>;
  auto const q = std::make_unique<query>();
  std::set<std::pair<int, int>> seen;
  for (int eight = 0; eight < query::eights; ++eight) {
    float x[8];
    for (int c = 0; c < 8; ++c) {
      int const channel = query::channel(eight) + c;
      x[c] = channel < P::head_dim ? element(query::row(eight), channel) : 0.0f;
      if (channel < P::head_dim) CHECK(seen.emplace(query::row(eight), channel).second);
    }
    q->write(eight, x);
  }
  CHECK(seen.size() == std::size_t{query::rows} * P::head_dim);
  for (int step = 0; step < query::steps; ++step) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int c = 0; c < 8; ++c) {  // as the lane's words of keys lie: half, byte
        int const channel = lane % 4 * 8 * query::steps + 8 * step + c;
        float const want = channel < P::head_dim ? element(lane / 4, channel) : 0.0f;
        CAPTURE(step, lane, c);
        CHECK(q->exact[step][c / 4][lane][c % 4] == want);
        int const at = query::item(c);
        float const rounded = ott::to_float(q->split[0][step][lane][at]);
        float const rest = ott::to_float(q->split[1][step][lane][at]);
        CHECK(rounded == ott::to_float(ott::from_float<typename P::param>(want)));
        CHECK(std::fabs(rounded + rest - want) <= std::fabs(want) * 0x1p-20f + 0x1p-24f);
      }
    }
  }
}

}  // namespace

TEST_CASE("wide query: every channel of every row has its place") {
  check_places<ott::paper_policy>();
  check_places<of_dim<ott::paper_policy, 80>>();
  check_places<of_dim<ott::rotated_policy, 256>>();
}
