#include <ott/cuda/wide_query.hpp>
#include <support/bit_policies.hpp>
#include <support/catch.hpp>

#include <cmath>
#include <memory>
#include <set>
#include <utility>
#include <vector>

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
  return std::sin(static_cast<float>(row * 1000 + channel)) *
         std::exp2(static_cast<float>(9 * row));
}

template <class P>
void check_places(float scale) {
  using query = ott::wide_query<P>;
  auto const q = std::make_unique<query>();
  std::vector<float> most(query::rows);
  for (int row = 0; row < query::rows; ++row) {
    auto& own = most[static_cast<std::size_t>(row)];
    for (int c = 0; c < P::head_dim; ++c) own = std::fmax(own, std::fabs(element(row, c)));
  }
  std::set<std::pair<int, int>> seen;
  for (int eight = 0; eight < query::eights; ++eight) {
    float x[8];
    for (int c = 0; c < 8; ++c) {
      int const channel = query::channel(eight) + c;
      x[c] = channel < P::head_dim ? element(query::row(eight), channel) : 0.0f;
      if (channel < P::head_dim) CHECK(seen.emplace(query::row(eight), channel).second);
    }
    q->write(eight, x, most[static_cast<std::size_t>(query::row(eight))], scale);
  }
  CHECK(seen.size() == std::size_t{query::rows} * P::head_dim);
  std::vector<float> largest(query::rows);
  for (int step = 0; step < query::steps; ++step) {
    for (int lane = 0; lane < 32; ++lane) {
      int const row = lane / 4;
      for (int c = 0; c < 8; ++c) {  // as the lane's words of keys lie: half, byte
        int const channel = lane % 4 * 8 * query::steps + 8 * step + c;
        float const want = channel < P::head_dim ? element(row, channel) * scale : 0.0f;
        CAPTURE(step, lane, c);
        int const at = query::item(c);
        float const rounded = ott::to_float(q->eight[0][step][lane].items[at]);
        float const rest = ott::to_float(q->eight[1][step][lane].items[at]) * query::rest_unit;
        float const unit = q->unit[row], size = most[static_cast<std::size_t>(row)];
        CHECK(std::fabs(rounded * unit - want) <= std::fabs(want) * 0x1p-11f);
        CHECK(std::fabs((rounded + rest) * unit - want) <=
              std::fabs(want) * 0x1p-20f + size * 0x1p-36f);
        auto& own = largest[static_cast<std::size_t>(row)];
        own = std::fmax(own, std::fabs(rounded));
      }
    }
  }
  for (float const x : largest) {  // times scales that fit stay below 2^15
    CHECK(x >= std::exp2(static_cast<float>(query::top_exponent)));
    CHECK(x * std::exp2(16.0f + query::least_exponent) <= 0x1p15f);
  }
}

}  // namespace

TEST_CASE("wide query: every channel of every row has its place") {
  check_places<ott::paper_policy>(0.125f);
  check_places<of_dim<ott::paper_policy, 80>>(-3.0f);
  check_places<of_dim<ott::rotated_policy, 256>>(1.0f);
  check_places<ott_test::eight_bits_symmetric>(0.125f);
}

TEST_CASE("wide query: rows of zeros, and a scale of zero, have a unit above zero") {
  using query = ott::wide_query<ott::paper_policy>;
  auto const q = std::make_unique<query>();
  float const x[8] = {};
  float const y[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int eight = 0; eight < query::eights; ++eight) {
    if (query::row(eight) == 0) q->write(eight, x, 0.0f, 1.0f);
    if (query::row(eight) == 1) q->write(eight, y, 8.0f, 0.0f);
  }
  CHECK(q->unit[0] > 0);
  CHECK(q->unit[1] > 0);
  CHECK(ott::to_float(q->eight[0][0][0].items[0]) == 0);
  CHECK(ott::to_float(q->eight[0][0][4].items[0]) == 16);
}
