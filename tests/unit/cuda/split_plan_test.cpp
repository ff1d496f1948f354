// The cut of attention into splits: every group of every row is some piece's work, once; lines do
// not collide and fit the workspace that was asked for.
#include <set>
#include <tuple>
#include <vector>

#include <ott/cuda/split_plan.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>
#include <support/random_kv.hpp>

namespace {

using P = ott_test::small;
constexpr int kv_heads = 2;
constexpr int tile_rows = 4;

struct planned {
  std::vector<ott::head_state<P>> heads;
  std::vector<std::int32_t> slot, row_begin, line_begin, work_begin, run;
  ott::batch_view batch;
  ott::layer_view<P> layer{};
  ott::split_plan plan{};

  /// The plan as its comment says it is made.
  planned(std::vector<int> const& groups, std::vector<int> const& rows, int q_per_kv)
      : heads(groups.size() * kv_heads), row_begin{0}, line_begin{0}, work_begin{0} {
    using rule = ott::split_rule<P>;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (int h = 0; h < kv_heads; ++h) heads[i * kv_heads + h].num_groups = groups[i];
      slot.push_back(static_cast<int>(i));
      row_begin.push_back(row_begin.back() + rows[i]);
      bool const few = rule::few(rows[i], q_per_kv);
      run.push_back(rule::run(groups[i], rows[i], q_per_kv));
      int const splits = few ? rule::group_splits(groups[i], run.back()) : 0;
      int const tiles = ott::ceil_div(rows[i] * q_per_kv, tile_rows);
      line_begin.push_back(line_begin.back() + (few ? rows[i] * (splits + rule::exact_splits) : 0));
      work_begin.push_back(work_begin.back() + tiles * splits);
    }
    batch = {static_cast<int>(groups.size()), row_begin.back(), 0, slot.data(), row_begin.data()};
    layer.heads = heads.data();
    layer.heads_per_slot = layer.num_kv_heads = kv_heads;
    plan = {line_begin.data(), work_begin.data(), run.data(),        nullptr,
            nullptr,           nullptr,           line_begin.back(), q_per_kv * kv_heads};
  }
};

}  // namespace

TEST_CASE("split plan: every row meets every group in exactly one piece of work") {
  ott_test::random_source random{3};
  for (int tries = 0; tries < 60; ++tries) {
    int const q_per_kv = 1 + random.below(6);
    std::vector<int> groups, rows;
    int const count = 1 + random.below(6);
    for (int i = 0; i < count; ++i) {
      groups.push_back(random.one_in(4)   ? 0
                       : random.one_in(3) ? 300 + random.below(900)
                                          : random.below(40));
      rows.push_back(1 + random.below(random.one_in(3) ? 40 : 5));
    }
    planned const p{groups, rows, q_per_kv};
    std::set<std::tuple<int, int, int, int>> met;  // sequence, KV head, row and query head, group
    std::set<std::int64_t> lines;
    std::size_t wanted = 0;
    std::size_t few_rows = 0;
    std::size_t few_groups = 0;
    for (int i = 0; i < count; ++i) {
      auto const at = static_cast<std::size_t>(i);
      if (!ott::split_rule<P>::few(rows[at], q_per_kv)) continue;
      wanted += static_cast<std::size_t>(groups[at] * rows[at] * q_per_kv * kv_heads);
      few_rows += static_cast<std::size_t>(rows[at]);
      few_groups += static_cast<std::size_t>(groups[at]);
    }
    for (int work = 0; work < p.work_begin.back() * kv_heads; ++work) {
      auto const item = ott::find_split<P, tile_rows>(p.plan, p.layer, p.batch, work);
      REQUIRE(item.first_group < item.last_group);
      REQUIRE(item.tile_rows > 0);
      REQUIRE(item.rows == rows[static_cast<std::size_t>(item.sequence)]);
      for (int t = item.first_row; t < item.first_row + item.tile_rows; ++t) {
        int const q_head = item.kv_head * q_per_kv + t % q_per_kv;
        auto const line = p.plan.line(item.sequence, item.rows, item.split, t / q_per_kv, q_head);
        REQUIRE(lines.insert(line).second);
        REQUIRE(line < p.plan.capacity * p.plan.num_q_heads);
        for (int g = item.first_group; g < item.last_group; ++g) {
          REQUIRE(met.emplace(item.sequence, item.kv_head, t, g).second);
        }
      }
    }
    REQUIRE(met.size() == wanted);
    REQUIRE(static_cast<std::size_t>(p.line_begin.back()) <=
            ott::split_rule<P>::most_lines(few_rows, few_groups));
  }
}

TEST_CASE("split plan: the cut of a sequence does not depend on others") {
  planned const alone{{700}, {2}, 4};
  planned const among{{3, 700, 90}, {1, 2, 5}, 4};
  CHECK(alone.run[0] == among.run[1]);
}

TEST_CASE("split plan: lines of a strided plan do not meet") {
  using rule = ott::split_rule<P>;
  ott_test::random_source random{5};
  for (int tries = 0; tries < 40; ++tries) {
    int const max_groups = random.below(2500);
    ott::split_plan plan{};
    int const q_per_kv = 1 + random.below(8);
    plan.stride = rule::row_lines(max_groups, q_per_kv);
    std::set<int> lines;
    int first = 0;
    while (first < 30) {
      int const rows = 1 + random.below(6), groups = random.below(max_groups + 1);
      int const run = rule::run(groups, rows, q_per_kv);
      int const splits = rule::group_splits(groups, run) + rule::exact_splits;
      for (int split = 0; split < splits; ++split) {
        for (int row = 0; row < rows; ++row) {
          int const line = plan.first_line(0, first, rows, split) + row * plan.row_lines();
          REQUIRE(lines.insert(line).second);
          REQUIRE(line / plan.stride == first + row);
        }
      }
      first += rows;
    }
  }
}

TEST_CASE("split plan: a row's lines fit whatever groups its call was told of") {
  using rule = ott::split_rule<P>;
  ott_test::random_source random{7};
  for (int tries = 0; tries < 400; ++tries) {
    int const max_groups = random.below(1500) - 1, q_per_kv = 1 + random.below(8);
    int const stride = rule::row_lines(max_groups, q_per_kv);
    int const groups = random.below(3000), rows = 1 + random.below(8);
    ott::group_cut const cut = rule::fitting_cut(groups, rows, q_per_kv, stride);
    CAPTURE(max_groups, groups, rows);
    CHECK(rule::group_splits(groups, cut.run) + rule::exact_splits <= stride);
    ott::group_cut const own = rule::cut(groups, rows, q_per_kv);
    CHECK(rule::fitting_cut(groups, rows, q_per_kv, 0).run == own.run);
    if (groups <= max_groups) CHECK((cut.run == own.run && cut.longer == own.longer));
  }
}

TEST_CASE("split plan: splits follow one another, and are alike") {
  using rule = ott::split_rule<P>;
  for (int q_per_kv : {1, 4, 5, 8}) {
    for (int rows : {1, 3}) {
      for (int groups = 1; groups < 1200; ++groups) {
        ott::group_cut const cut = rule::cut(groups, rows, q_per_kv);
        int const splits = rule::group_splits(groups, cut.run);
        CAPTURE(q_per_kv, rows, groups);
        REQUIRE(cut.begin(0) == 0);
        REQUIRE(cut.begin(splits) >= groups);
        REQUIRE(cut.begin(splits - 1) < groups);
        for (int s = 0; s < splits; ++s) {
          int const own = cut.begin(s + 1) - cut.begin(s);
          REQUIRE(own > 0);
          REQUIRE(own <= cut.run);
          REQUIRE(own >= cut.run - 4);
        }
      }
    }
  }
}

TEST_CASE("split plan: arrays lie one behind the other inside the workspace") {
  using space = ott::split_workspace<P>;
  std::size_t const size = space::bytes(5, 8, 40);
  std::vector<unsigned char> memory(size);
  ott::split_plan const plan = space::place(memory.data(), size, 5, 8);
  CHECK(plan.work_begin - plan.line_begin >= 6);
  CHECK(plan.run - plan.work_begin >= 6);
  CHECK(plan.capacity >= 40);
  auto const* const end = reinterpret_cast<unsigned char*>(plan.state + plan.capacity * 8 * 2);
  CHECK(end <= memory.data() + size);
  CHECK(reinterpret_cast<unsigned char*>(plan.run + 6) <=
        reinterpret_cast<unsigned char*>(plan.out));
}
