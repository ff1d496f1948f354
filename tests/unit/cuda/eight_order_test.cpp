#include <ott/core/bits.hpp>
#include <ott/cuda/eight_order.hpp>
#include <ott/cuda/query_record.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

#include <memory>
#include <set>
#include <utility>

namespace {

/// Every channel has its place, and those that a butterfly joins are a fixed step of lanes apart.
template <int HeadDim>
void check_order() {
  constexpr int steps = ott::ceil_div(HeadDim, 32), block = ott::pow2_divisor(HeadDim);
  using order = ott::eight_order<steps>;
  std::set<int> channels;
  for (int place = 0; place < order::row_eights; ++place) {
    int const channel = order::channel(place);
    CAPTURE(HeadDim, place, channel);
    CHECK(channels.insert(channel).second);
    CHECK(channel == order::quarter(place) * 8 * steps + order::step(place) * 8);
    for (int span = 1; span < block / 8; span *= 2) {
      int const other = place ^ order::distance(span);
      REQUIRE(other < order::row_eights);
      CHECK(order::channel(other) == (channel ^ 8 * span));
    }
  }
  CHECK(*channels.begin() == 0);
  CHECK(*channels.rbegin() == 8 * (order::row_eights - 1));
}

template <class Base, int HeadDim>
struct of_dim : Base {
  static constexpr int head_dim = HeadDim;
};

/// Lanes of a record find the channels of their row: even ones rounded, odd ones what rounding
/// left.
template <class P, int Sets>
void check_record() {
  using record = ott::query_record<P, Sets>;
  auto const q = std::make_unique<record>();
  auto const element = [](int row, int channel) {
    return channel < P::head_dim ? 1.0f + static_cast<float>(row * 512 + channel) * 0x1p-14f : 0.0f;
  };
  for (int eight = 0; eight < record::eights; ++eight) {
    float x[8];
    for (int c = 0; c < 8; ++c) x[c] = element(record::row(eight), record::channel(eight) + c);
    q->write(eight, x);
  }
  for (int i = 0; i < Sets * record::steps * 32; ++i) {
    int const set = i / (record::steps * 32), step = i / 32 % record::steps, lane = i % 32;
    int const row = 4 * set + lane / 8, first = lane % 4 * 8 * record::steps + 8 * step;
    bool const odd = lane / 4 % 2 != 0;
    CAPTURE(set, step, lane);
    for (int c = 0; c < 4; ++c) {
      CHECK(q->exact[set][step][lane][c] == element(row, first + c + (odd ? 4 : 0)));
    }
    for (int c = 0; c < 8; ++c) {
      float const want = element(row, first + c);
      float const rounded = ott::to_float(ott::from_float<typename P::param>(want));
      CHECK(ott::to_float(q->split[set][step][lane][record::item(c)]) ==
            ott::to_float(ott::from_float<typename P::param>(odd ? want - rounded : rounded)));
    }
  }
}

}  // namespace

TEST_CASE("order of eights: butterflies join lanes a fixed step apart") {
  check_order<16>();
  check_order<64>();
  check_order<80>();
  check_order<96>();
  check_order<112>();
  check_order<128>();
  check_order<192>();
  check_order<256>();
}

TEST_CASE("query record: every lane finds its channels") {
  check_record<ott::paper_policy, 1>();
  check_record<of_dim<ott::paper_policy, 80>, 2>();
  check_record<of_dim<ott::rotated_policy, 256>, 1>();
}
