#pragma once
/// What every policy's parity test does: the same calls to host and device, bytes and outputs
/// compared.

#include <cstdio>

#include "rig.hpp"
#include "support/catch.hpp"

namespace ott_test {

/// Rounding of the output type, and what tensor cores add: where eight rows attend at once queries
/// times scales are fp16.
template <class P, class Q>
constexpr double tolerance(int per_kv) {
  if (std::same_as<Q, ott::bf16>) return 5e-3;
  return ott::has_wide_groups<P> && per_kv > 4 ? 3e-3 : 2e-3;
}

template <class P, class Q>
void check_attend(char const* what, rig<P>& r, std::vector<share> const& shares, int q_heads,
                  ott::attend_options options = {}, std::vector<std::int32_t> const& q_pos = {},
                  float query_size = 1.0f) {
  auto const d = r.template attend<Q>(shares, q_heads, options, q_pos, query_size);
  std::printf("  %-20s Q%zu heads %2d  out %.2e  lse %.2e\n", what, sizeof(Q), q_heads, d.out,
              d.lse);
  CAPTURE(what, q_heads, sizeof(Q));
  double const most = tolerance<P, Q>(q_heads / r.kv_heads);
  CHECK(d.out <= most * query_size);  // errors of logits grow with them
  CHECK(d.lse <= 2e-3 * query_size * query_size);
}

/// Ragged sequences, appended in odd pieces; then attention with few and many rows, all query
/// types.
template <class P>
void check_parity(char const* name, int most_tokens = 1500) {
  if (!std::getenv("OTT_FULL")) most_tokens = std::min(most_tokens, 700);
  std::printf("%s: D %d G %d\n", name, P::head_dim, P::group);
  int const kv_heads = 2;
  rig<P> r(4, kv_heads, most_tokens / P::group + 2);
  r.append({{0, 1}, {1, 7}, {2, 3}});
  r.append({{2, P::group}, {0, 40}});
  CHECK(r.different_bytes() == 0);
  r.append({{1, 5 * P::group / 2}, {2, 2}});  // bulk
  CHECK(r.different_bytes() == 0);
  while (r.length(1) < most_tokens / 2) r.append({{1, 61}, {2, 33}});
  r.append({{1, most_tokens - r.length(1)}, {0, 1}});
  CHECK(r.different_bytes() == 0);
  std::printf("  lengths %d %d %d\n", r.length(0), r.length(1), r.length(2));

  std::vector<share> const decode{{1, 1}, {0, 1}, {2, 1}};
  for (int per_kv : {1, 3, 4, 5, 8}) check_attend<P, float>("decode", r, decode, kv_heads * per_kv);
  check_attend<P, ott::half>("decode", r, decode, kv_heads * 7);
  check_attend<P, ott::bf16>("decode", r, decode, kv_heads * 4);
  check_attend<P, float>("decode, loud", r, decode, kv_heads * 4, {}, {}, 3.0f);
  check_attend<P, float>("empty sequence", r, {{3, 1}, {1, 1}}, kv_heads * 2);
  check_attend<P, float>("few rows", r, {{1, 5}, {0, 2}, {2, 1}}, kv_heads * 4);
  check_attend<P, float>("soft cap", r, decode, kv_heads * 2, {.soft_cap = 5.0f});
  check_attend<P, float>("sliding window", r, {{1, 3}}, kv_heads * 4,
                         {.scale = 0.2f, .sliding_window = 200});
  check_attend<P, float>("eight heads, few rows", r, {{1, 3}, {2, 2}}, kv_heads * 8);
  check_attend<P, float>("eight heads, cap", r, decode, kv_heads * 8, {.soft_cap = 5.0f});
  check_attend<P, float>("eight heads, window", r, {{1, 3}}, kv_heads * 6, {.sliding_window = 200});
  check_attend<P, float>("own positions", r, {{1, 4}}, kv_heads * 2, {}, {5, 300, -1, 260});
  check_attend<P, float>("many rows", r, {{1, 70}}, kv_heads * 3);
  check_attend<P, ott::half>("few and many", r, {{0, 1}, {1, 45}, {2, 2}}, kv_heads * 4);
  check_attend<P, float>("many, window, cap", r, {{1, 40}, {2, 33}}, kv_heads,
                         {.soft_cap = 8.0f, .sliding_window = 150});
}

}  // namespace ott_test
