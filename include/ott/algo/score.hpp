#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <ott/algo/team.hpp>
#include <ott/core/array.hpp>
#include <ott/core/exact.hpp>
#include <ott/policy/cache_policy.hpp>
#include <ott/policy/max_l1.hpp>
#include <ott/policy/min_l1.hpp>
#include <ott/policy/selection.hpp>

namespace ott {

template <class P>
inline constexpr bool traces_tokens = P::pool > 0 && !detail::traces_nothing<typename P::selection>;

namespace detail {

template <class Rule, class T>
inline constexpr bool scores_l1_units = std::same_as<T, half> &&
                                        (std::same_as<Rule, min_l1> || std::same_as<Rule, max_l1>);

/// Sum of |x| of fp16 numbers in units of 2^-24, as magnitude_units() counts them. A few of them
/// are added up in fp32, in which the sum keeps to multiples of 2^-4 and what each addition rounds
/// away is summed beside it; both sums are exact, and go on as integers.
struct l1_sum {
  static constexpr int at_once = 8;               // as many as keep the sum below 2^20
  static constexpr float coarse_one = 524288.0f;  // 2^19: numbers from here on count in 2^-4
  static constexpr float fine_one = 0.75f;        // numbers about here count in 2^-24
  std::uint32_t coarse = 0;
  std::uint32_t fine = 0;
  std::uint32_t seen = 0;
  std::uint32_t count = 0;

  OTT_HD constexpr void add(array<float, at_once> const& x) {
    float sum = coarse_one;
    float rest = 0;
    OTT_UNROLL
    for (int i = 0; i < at_once; ++i) {
      float const size = exact_abs(x[i]);
      float const next = exact_add(sum, size);
      rest = exact_add(rest, exact_sub(size, exact_sub(next, sum)));
      sum = next;
    }
    coarse += bit_cast<std::uint32_t>(sum);
    fine += bit_cast<std::uint32_t>(exact_add(rest, fine_one));
    seen |= bit_cast<std::uint32_t>(sum);
    ++count;
  }
  /// Up to 2^20 everything finite has the exponent of 2^19; infinity and NaN have all its bits.
  OTT_HD constexpr bool finite() const { return (seen & 0x30000000u) == 0; }
  OTT_HD constexpr std::int64_t units() const {
    std::uint32_t const steps = coarse - count * bit_cast<std::uint32_t>(coarse_one);
    std::uint32_t const rest = fine - count * bit_cast<std::uint32_t>(fine_one);
    return static_cast<std::int64_t>(steps) * (1 << 20) + static_cast<std::int32_t>(rest);
  }
};

/// Sum of a rule's own terms.
template <class Rule, class T>
struct term_sum {
  std::int64_t sum = 0;
  bool all_finite = true;

  template <int N>
  OTT_HD constexpr void add(array<float, N> const& x) {
    OTT_UNROLL
    for (int i = 0; i < N; ++i) {
      all_finite = all_finite && is_finite(x[i]);
      if (is_finite(x[i])) sum += Rule::term(x[i]);
    }
  }
  OTT_HD constexpr bool finite() const { return all_finite; }
  OTT_HD constexpr std::int64_t units() const { return sum; }
};

}  // namespace detail

/// The score of one key: small is suspicious.
template <class Rule, class T>
OTT_HD constexpr std::uint64_t score_of(key_row<T> row, int pos) {
  if constexpr (detail::scores_rows<Rule>) {
    return Rule::score(row, pos);
  } else {
    detail::term_sum<Rule, T> sum{};
    for (int c = 0; c < row.size(); ++c) sum.add(array<float, 1>{{to_float(row(c))}});
    return sum.finite() ? static_cast<std::uint64_t>(sum.units()) : never_traced;
  }
}

/// Is a rule's score a sum of integers over the channels, so that it can be summed in parts?
template <class Rule, class T>
inline constexpr bool sums_integers = detail::scores_l1_units<Rule, T> ||
                                      (detail::scores_terms<Rule> && !detail::scores_rows<Rule>);

/// Half a row's score each. shape [2][group]
template <class P>
struct score_parts {
  static constexpr int parts = 2;
  static constexpr int count =
      traces_tokens<P> && sums_integers<typename P::selection, typename P::element>
          ? parts * P::group
          : 1;
  std::int64_t sum[count];
  std::uint8_t finite[count];
};

namespace detail {

/// Sums of the parts of every row. requires the tile holds raw keys; then a sync
template <class P, class Team, class Scratch>
OTT_HD constexpr void sum_parts(Team const& team, Scratch& scratch) {
  using rule = typename P::selection;
  using element = typename P::element;
  using partial =
      std::conditional_t<scores_l1_units<rule, element>, l1_sum, term_sum<rule, element>>;
  constexpr int width = P::head_dim / score_parts<P>::parts;
  for_each(team, score_parts<P>::count, [&](int i) {
    partial sum{};
    for (int c = i / P::group * width; c < (i / P::group + 1) * width; c += 8) {
      sum.add(scratch.tile.template values<8>(i % P::group, c));
    }
    scratch.parts.sum[i] = sum.units();
    scratch.parts.finite[i] = sum.finite() ? 1 : 0;
  });
}

/// Scores from the parts. requires they are published; then a sync
template <class P, class Team, class Scratch>
OTT_HD constexpr void join_parts(Team const& team, Scratch& scratch) {
  for_each(team, P::group, [&](int token) {
    std::int64_t sum = 0;
    int finite = 1;
    OTT_UNROLL
    for (int part = 0; part < score_parts<P>::parts; ++part) {
      sum += scratch.parts.sum[part * P::group + token];
      finite &= scratch.parts.finite[part * P::group + token];
    }
    auto const score = static_cast<std::uint64_t>(sum);
    scratch.scores[token] = !finite                                       ? never_traced
                            : std::same_as<typename P::selection, max_l1> ? never_traced - 1 - score
                                                                          : score;
  });
}

}  // namespace detail

/// Scores the raw keys in the tile.
/// requires the tile holds the group's raw keys; every member calls; then a sync
template <class P, class Team, class Scratch>
OTT_HD constexpr void score_group(Team const& team, Scratch& scratch, int first_pos) {
  using rule = typename P::selection;
  if constexpr (sums_integers<rule, typename P::element>) {
    detail::sum_parts<P>(team, scratch);
    team.sync();
    detail::join_parts<P>(team, scratch);
  } else {
    for_each(team, P::group, [&](int token) {
      key_row<typename P::element> const row{scratch.tile.row(token), P::head_dim};
      scratch.scores[token] = score_of<rule>(row, first_pos + token);
    });
  }
}

}  // namespace ott
