// Appends of many groups at once: the device's state byte for byte the host's, padding included.
#include <ott/cuda/backend.cuh>

#include "device.hpp"
#include "policies.hpp"
#include "rig.hpp"
#include "support/bit_policies.hpp"
#include "support/catch.hpp"

namespace {

struct one_bit : ott::paper_policy {
  using key_quantizer = ott::affine<1>;
  using value_quantizer = ott::affine<1>;
  using substitution = ott::zero_substitute;
  static constexpr int head_dim = 64, group = 64, pool = 6, evicted = 2;
  static constexpr int value_group = 32;
};
struct turned_two : ott::paper_policy {  // the granularities exchanged
  using key_granularity = ott::per_token;
  using value_granularity = ott::per_channel;
  static constexpr int group = 32;
};
struct many_traced : ott::paper_policy {  // more candidates than fit beside the marks
  static constexpr int pool = 20, evicted = 15, residual = 0;
};
struct narrow : ott::rotated_policy {
  static constexpr int head_dim = 80, group = 64;
};

/// One head after the other fills up: groups at once, in pieces, with odd numbers, past full pools.
template <class P>
void check_bulk(int groups, int pool = P::pool) {
  ott_test::rig<P> r(3, 2, groups + 1, pool);
  int const g = P::group;
  r.append({{0, groups * g / 2 + 5}, {1, 3}});
  CHECK(r.different_bytes() == 0);
  r.append({{1, 2 * g + 1}, {2, groups * g + P::residual}}, 0.01);
  CHECK(r.different_bytes() == 0);
  r.append({{0, groups * g / 2 - 7}, {1, 4 * g}}, 0.001);
  CHECK(r.different_bytes() == 0);
  CHECK(r.device_flag() == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("bulk append: device equals host", "", ott::paper_policy, ott::kivi_policy,
                   ott::rotated_policy, ott::dense_policy, one_bit, turned_two,
                   ott_test::four_bits_symmetric, many_traced, narrow, ott_test::bf16_four,
                   ott_test::float_three, ott_test::wide_two, ott_test::dense_keys,
                   ott_test::turned) {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  check_bulk<TestType>(20);
}

TEST_CASE("bulk append: nothing traced, and more groups than tracing takes at once") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  check_bulk<ott::paper_policy>(6, 0);
  check_bulk<turned_two>(600);
}

TEST_CASE("bulk append: so many groups that they are quantized before tracing") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  check_bulk<ott::paper_policy>(150);
  check_bulk<one_bit>(150);
  check_bulk<ott_test::four_bits_symmetric>(150);
}

TEST_CASE("bulk append: pools of fewer tokens than the policy has room for") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  check_bulk<ott::paper_policy>(20, 2);
  check_bulk<ott::paper_policy>(150, 1);
  check_bulk<one_bit>(150, 4);
}
