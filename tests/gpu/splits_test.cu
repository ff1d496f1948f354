// Who works on what never shows, nor where lines of splits lie.
#include <ott/cuda/split_plan.hpp>
#include <ott/ott.cuh>

#include "device.hpp"
#include "rig.hpp"
#include "support/catch.hpp"

namespace {

struct small : ott::paper_policy {
  static constexpr int head_dim = 64, group = 32, residual = 8;
};
struct small_dense : ott::dense_policy {
  static constexpr int head_dim = 64, group = 32;
};
struct small_rotated : ott::rotated_policy {
  static constexpr int head_dim = 64, group = 32, residual = 8;
};
struct broad : ott::paper_policy {
  static constexpr int head_dim = 256, group = 32, residual = 8;
};
struct odd_rotated : ott::rotated_policy {
  static constexpr int head_dim = 96, group = 32, residual = 8;
};

/// Output of one query row a listed slot, all of them the same row. lines: that the workspace
/// holds, in units of query heads; 0: as workspace_bytes says. max_groups: -1: what is right
template <class P>
std::vector<float> attend(ott_test::rig<P>& r, std::vector<int> const& slots, int q_heads,
                          std::vector<float> const& row, std::size_t lines = 0,
                          int max_groups = -1) {
  int const count = static_cast<int>(slots.size());
  std::vector<float> q, out(slots.size() * row.size());
  std::vector<std::int32_t> numbers(slots.begin(), slots.end());
  int most = 0, all = 0;
  for (int i = 0; i < count; ++i) {
    int const groups = r.groups(slots[static_cast<std::size_t>(i)]);
    most = std::max(most, groups), all += groups;
    q.insert(q.end(), row.begin(), row.end());
  }
  for (int i = 0; i <= count; ++i) numbers.push_back(i);
  ott_test::device_bytes<P> device_q{r.device, q.size() * 4}, device_out{r.device, q.size() * 4};
  ott_test::device_bytes<P> device_numbers{r.device, numbers.size() * 4};
  std::size_t const bytes =
      lines == 0
          ? r.device.workspace_bytes(count, q_heads, r.kv_heads, all)
          : ott::split_workspace<P>::bytes(slots.size(), static_cast<std::size_t>(q_heads), lines);
  ott_test::device_bytes<P> workspace{r.device, bytes};
  r.device.copy(device_q.template as<void>(), q.data(), device_q.size(), r.stream);
  r.device.copy(device_numbers.template as<void>(), numbers.data(), device_numbers.size(),
                r.stream);
  r.device.fill(workspace.template as<void>(), 0, ott::workspace_cleared_bytes, r.stream);
  auto const* const n = device_numbers.template as<std::int32_t const>();
  auto const view = [&](auto* p) { return ott::dense_view(p, count, q_heads, P::head_dim); };
  r.device.attend(ott::attend_call<P, float>{r.device_layer(),
                                             {count, count, 1, n, n + count},
                                             view(device_q.template as<float const>()),
                                             view(device_out.template as<float>()),
                                             {},
                                             max_groups < 0 ? most : max_groups,
                                             workspace.template as<void>(),
                                             workspace.size()},
                  r.stream);
  r.device.copy(out.data(), device_out.template as<void>(), device_out.size(), r.stream);
  r.device.wait(r.stream);
  return out;
}

template <class P>
void check_batches() {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  constexpr int kv_heads = 2;
  ott_test::rig<P> r(3, kv_heads, 80);
  // Whole splits, a last one that is not whole, and too few for a bundle.
  r.append({{0, 72 * P::group + 20}, {1, 60 * P::group + 1}, {2, 11 * P::group}});
  for (int per_kv : {4, 8}) {
    int const q_heads = kv_heads * per_kv;
    auto const row = ott_test::random_rows<float>(r.rng, 1, q_heads, P::head_dim, false);
    std::vector<int> batch;
    for (int i = 0; i < 420; ++i) batch.push_back(i % 3);
    std::vector<float> const together = attend(r, batch, q_heads, row);
    for (std::size_t slot = 0; slot < 3; ++slot) {
      std::vector<float> const alone = attend(r, {static_cast<int>(slot)}, q_heads, row);
      REQUIRE(std::any_of(alone.begin(), alone.end(), [](float x) { return x != 0; }));
      int different = 0;
      for (std::size_t i = slot; i < batch.size(); i += 3) {
        different += !std::equal(alone.begin(), alone.end(),
                                 together.begin() + static_cast<std::ptrdiff_t>(i * row.size()));
      }
      CAPTURE(per_kv, slot);
      CHECK(different == 0);
    }
  }
}

/// Two short sequences and a long one, whose lines need less room than three long ones'.
template <class P>
void check_room() {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  using rule = ott::split_rule<P>;
  constexpr int kv_heads = 2, q_heads = 8, per_kv = q_heads / kv_heads;
  constexpr int groups = 5 * rule::least_groups(per_kv) + 8;
  ott_test::rig<P> r(2, kv_heads, groups + 8);
  r.append({{0, groups * P::group + 20}, {1, P::group / 2}});
  auto const row = ott_test::random_rows<float>(r.rng, 1, q_heads, P::head_dim, false);
  std::vector<int> const batch{1, 0, 1};
  std::vector<float> const wide =
      attend(r, batch, q_heads, row, 3 * rule::row_lines(groups, per_kv));
  std::size_t const used = 2 * rule::exact_splits + rule::row_lines(groups, per_kv);
  CHECK(attend(r, batch, q_heads, row, used) == wide);
  // One line fewer: nothing is split, which other roundings show.
  std::vector<float> const narrow = attend(r, batch, q_heads, row, used - 1);
  CHECK(narrow != wide);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    CHECK(std::fabs(narrow[i] - wide[i]) <= 2e-3f);
  }
}

/// A call that was told of fewer groups than two of its sequences have: these are right, and the
/// third is as it was.
template <class P>
void check_untold_groups() {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  constexpr int kv_heads = 2, q_heads = 8, told = 11;
  constexpr int least = ott::split_rule<P>::least_groups(q_heads / kv_heads);
  ott_test::rig<P> r(3, kv_heads, 3 * least + 8);
  r.append({{0, (3 * least + 1) * P::group + 20},
            {1, 2 * least * P::group + P::residual},
            {2, told * P::group + P::residual}});
  auto const row = ott_test::random_rows<float>(r.rng, 1, q_heads, P::head_dim, false);
  for (std::size_t count : {3u, 420u}) {  // two warps a strand; splits dealt out
    std::vector<int> batch;
    for (std::size_t i = 0; i < count; ++i) batch.push_back(static_cast<int>(i % 3));
    std::vector<float> const right = attend(r, batch, q_heads, row);
    for (int max_groups : {0, told}) {
      std::vector<float> const out = attend(r, batch, q_heads, row, 0, max_groups);
      double worst = 0;
      int different = 0;
      for (std::size_t i = 0; i < out.size(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(out[i]) - right[i]));
        different += i / row.size() % 3 == 2 && out[i] != right[i];
      }
      CAPTURE(count, max_groups);
      CHECK(worst <= 2e-3);
      CHECK(out != right);  // longer splits, which other roundings show
      CHECK(different == 0);
    }
  }
}

/// A call that was told of more groups than there are has room for more lines, which decides who
/// merges: a warp a row, or a block.
template <class P>
void check_room_for_lines() {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  constexpr int kv_heads = 2, q_heads = 8;
  constexpr int least = ott::split_rule<P>::least_groups(q_heads / kv_heads);
  constexpr int groups = 5 * least + 3;
  ott_test::rig<P> r(2, kv_heads, groups + 1);
  r.append({{0, groups * P::group + P::residual}, {1, P::group / 2}});
  auto const row = ott_test::random_rows<float>(r.rng, 1, q_heads, P::head_dim, false);
  for (std::size_t count : {2u, 400u}) {
    std::vector<int> batch;
    for (std::size_t i = 0; i < count; ++i) batch.push_back(static_cast<int>(i % 2));
    std::vector<float> const own = attend(r, batch, q_heads, row);
    for (int lines : {9, 18, 70}) {
      CAPTURE(count, lines);
      CHECK(attend(r, batch, q_heads, row, count * (lines + ott::split_rule<P>::exact_splits),
                   lines * least) == own);
    }
  }
}

}  // namespace

TEST_CASE("lines of splits give the same bits wherever they lie") { check_room<small>(); }
TEST_CASE("lines of splits give the same bits wherever they lie: rotated") {
  check_room<small_rotated>();
}
TEST_CASE("a batch of hundreds gives each sequence the bits it has alone: paper") {
  check_batches<small>();
}
TEST_CASE("a batch of hundreds gives each sequence the bits it has alone: rotated") {
  check_batches<small_rotated>();
}
TEST_CASE("a batch of hundreds gives each sequence the bits it has alone: dense") {
  check_batches<small_dense>();
}
TEST_CASE("groups a call was not told of make splits longer: paper") {
  check_untold_groups<small>();
}
TEST_CASE("groups a call was not told of make splits longer: rotated") {
  check_untold_groups<small_rotated>();
}
TEST_CASE("groups a call was not told of make splits longer: dense") {
  check_untold_groups<small_dense>();
}
TEST_CASE("whoever merges gives the same bits: paper") { check_room_for_lines<small>(); }
TEST_CASE("whoever merges gives the same bits: rotated") { check_room_for_lines<small_rotated>(); }
TEST_CASE("whoever merges gives the same bits: dense") { check_room_for_lines<small_dense>(); }
TEST_CASE("whoever merges gives the same bits: head_dim 96, rotated") {
  check_room_for_lines<odd_rotated>();
}
TEST_CASE("whoever merges gives the same bits: head_dim 256") { check_room_for_lines<broad>(); }
