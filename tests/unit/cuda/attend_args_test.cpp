#include <ott/cuda/attend_args.hpp>

#include "support/catch.hpp"

namespace {

struct small : ott::paper_policy {
  static constexpr int head_dim = 16, group = 32;
};

template <class T>
void check_view() {
  T data[2 * 3 * 4] = {};
  ott::any_view const v{data, ott::kind_of<T>(), 12, 4};
  for (int row = 0; row < 2; ++row) {
    for (int head = 0; head < 3; ++head) {
      for (int c = 0; c < 4; ++c) v.store(row, head, c, 0.5f * static_cast<float>(row + head - c));
    }
  }
  CHECK(ott::to_float(data[12 + 2 * 4 + 1]) == 1.0f);
  CHECK(v.load(1, 2, 1) == 1.0f);
  CHECK(v.load(0, 0, 3) == -1.5f);
  CHECK(v.load_at(12 + 2 * 4 + 1) == 1.0f);
}

}  // namespace

TEST_CASE("any_view: reads and writes what its kind says") {
  check_view<ott::half>();
  check_view<ott::bf16>();
  check_view<float>();
}

TEST_CASE("attend_args: positions of a tile's rows") {
  ott::attend_args<small> args{};
  args.layer.num_kv_heads = 2;
  args.num_q_heads = 6, args.per_kv = 3, args.per_kv_inverse = 1.0f / 3;
  CHECK(args.q_per_kv() == 3);
  // Two query rows at the end of ten tokens; a tile counts query heads of one KV head first.
  CHECK(args.position(5, 2, 0, 10) == 8);
  CHECK(args.position(5, 2, 2, 10) == 8);
  CHECK(args.position(5, 2, 3, 10) == 9);
  std::int32_t const own[] = {7, 0x7fffffff};
  args.options.q_pos = own;
  CHECK(args.position(0, 2, 1, 10) == 7);
  CHECK(args.position(0, 2, 3, 10) < args.hidden_pos);  // a hidden token stays hidden
}
