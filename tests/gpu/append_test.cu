// Decode steps: state byte for byte after steps of one row and of a few, flushes out of phase and
// all at once, several heads to a crew, pages that are missing.
#include <ott/ott.cuh>

#include "device.hpp"
#include "parity.hpp"
#include "policies.hpp"

namespace {

using ott_test::rig;
using ott_test::share;

struct small : ott::paper_policy {
  static constexpr int head_dim = 32, group = 32, residual = 8;
};
struct in_shares : ott::paper_policy {  // a group is flushed by several blocks
  static constexpr int head_dim = 32, residual = 8;
};
struct kivi_narrow : ott::kivi_policy {  // just below what needs no asking for shared memory
  static constexpr int head_dim = 64;
};
struct kivi_small : ott::kivi_policy {
  static constexpr int head_dim = 64, group = 32, residual = 8;
};

/// `rows(slot, step)` rows of every slot a step; bytes compared every few steps and at the end.
template <class P, class Rows>
void check_steps(rig<P>& r, int steps, Rows const& rows) {
  for (int step = 0; step < steps; ++step) {
    std::vector<share> shares;
    for (int slot = 0; slot < r.slots; ++slot) shares.push_back({slot, rows(slot, step)});
    r.append(shares);
    if (step % 16 == 15 || step == steps - 1) {
      CAPTURE(step);
      REQUIRE(r.different_bytes() == 0);
    }
  }
}

/// Slots begin a few tokens apart, so that each flushes in a step of its own.
template <class P>
void stagger(rig<P>& r) {
  std::vector<share> shares;
  for (int slot = 0; slot < r.slots; ++slot) {
    shares.push_back({slot, P::residual + slot * P::group / r.slots});
  }
  r.append(shares);
}

}  // namespace

TEMPLATE_TEST_CASE("decode steps leave the host's bytes", "", ott::paper_policy,
                   ott::rotated_policy, ott::dense_policy, kivi_small, kivi_narrow, small,
                   ott_test::bf16_four, ott_test::float_three, ott_test::dense_keys,
                   ott_test::turned) {
  using P = TestType;
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  rig<P> r(5, 3, 7 + 400 / P::group);
  stagger(r);
  check_steps(r, P::group + 5, [](int, int) { return 1; });
  // Drafts, and sequences that sit a step out.
  check_steps(r, 48, [](int slot, int step) { return (3 * slot + step) % 9; });
  check_steps(r, 2, [](int slot, int) { return P::group - slot; });
  CHECK(r.device_flag() == 0);
}

TEST_CASE("decode steps of many heads, several to a crew") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  rig<small> apart(150, 5, 4);
  stagger(apart);
  check_steps(apart, small::group + 8, [](int, int) { return 1; });
  rig<small> in_phase(400, 6, 4);
  check_steps(in_phase, 1, [](int, int) { return small::group + small::residual - 3; });
  check_steps(in_phase, 5, [](int, int) { return 1; });
  check_steps(in_phase, 2, [](int slot, int) { return small::group - 5 + slot % 12; });
}

TEST_CASE("decode steps of many heads, each flushed by several blocks") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  using P = in_shares;
  rig<P> apart(64, 5, 6);
  stagger(apart);
  check_steps(apart, 40, [](int, int) { return 1; });
  check_steps(apart, 3, [](int slot, int step) { return (7 * slot + 11 * step) % 200; });
  rig<P> in_phase(70, 6, 7);  // more heads due than blocks are there
  check_steps(in_phase, 1, [](int, int) { return P::group + P::residual - 3; });
  check_steps(in_phase, 5, [](int, int) { return 1; });
  check_steps(in_phase, 1, [](int slot, int) { return slot % 3 == 0 ? 2 * P::group - 1 : 1; });
  check_steps(in_phase, 2, [](int slot, int) { return P::group - 5 + slot % 12; });
  CHECK(in_phase.device_flag() == 0);
}

TEMPLATE_TEST_CASE("a decode step without a page changes nothing, and says so", "", small,
                   in_shares) {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  using P = TestType;
  rig<P> r(70, 4, 4);
  for (int slot = 3; slot < r.slots; slot += 5) r.table()[slot * r.max_groups] = -1;
  r.upload_table();
  check_steps(r, 1, [](int, int) { return P::group + P::residual - 2; });
  CHECK(r.device_flag() == 0);
  check_steps(r, 4, [](int, int) { return 1; });
  CHECK(r.host_flag() == 1);
  CHECK(r.device_flag() == 1);
  CHECK(r.length(2) == P::group + P::residual + 2);
  CHECK(r.length(3) == P::group + P::residual - 1);
}
