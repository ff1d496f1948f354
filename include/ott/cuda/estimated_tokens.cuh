#pragma once

#include <concepts>
#include <cstdint>

#include <ott/algo/flush_scratch.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/scalar.hpp>
#include <ott/cuda/arch/half_pair.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/policy/min_l1.hpp>

namespace ott {

/// lowest_tokens by estimates: sums in fp16 pairs tell which few tokens can be among the lowest,
/// and only those are scored exactly. The tokens found and their scores are the same.
/// requires a team of whole warps; see lowest_tokens
template <class P, class Found>
struct estimated_tokens {
  /// Where few are asked for, of tokens whose estimates one warp looks through.
  static constexpr bool possible = std::same_as<typename P::selection, min_l1> &&
                                   std::same_as<typename P::element, half> &&
                                   flush_scratch<P>::holds_elements && flush_scratch<P>::traces &&
                                   P::pool <= 8 && P::head_dim % 64 == 0 && P::group <= 256;

  flush_scratch<P>& scratch;
  Found const& found;

  /// Estimates of half a token each.
  template <class Team>
  __device__ void sum(Team const& team) const {
    constexpr int width = P::head_dim / 2;
    for_each(team, 2 * P::group, [&](int i) {
      float sum = 0;
      OTT_UNROLL
      for (int c = 0; c < width; c += 8) {
        auto const x = scratch.tile.template words_at<4>(i % P::group, i / P::group * width + c);
        std::uint32_t const low = arch::add_sizes(x[0], x[1]), high = arch::add_sizes(x[2], x[3]);
        float2 const both = arch::widen<half>(arch::add_pair(low, high));
        sum += both.x + both.y;
      }
      scratch.parts.sum[i] = __float_as_uint(sum);
    });
  }
  /// Can the score of this member's token be below `bar`? False where it has none.
  /// requires sums are published
  template <class Team>
  __device__ bool can_be_below(Team const& team, std::uint64_t bar) const {
    static_assert(Team::fixed_size >= P::group);
    if (team.rank() >= P::group) return false;
    float const reach = __ull2float_ru(bar) * 0x1p-24f * slack;
    std::uint32_t const own = estimate(team.rank());
    return own == unknown || __uint_as_float(own) <= reach;
  }
  /// One warp marks the tokens that can be among the lowest.
  template <class Team>
  __device__ void join(Team const& team) const {
    if (team.rank() >= 32) return;
    std::uint32_t estimates[each];
    std::uint32_t rest[each];
    OTT_UNROLL
    for (int n = 0; n < each; ++n) estimates[n] = rest[n] = estimate(n * 32 + team.rank());
    std::uint32_t bound = 0;  // not below the estimate of the last that is asked for
    OTT_UNROLL
    for (int i = 0; i < P::pool; ++i) {
      std::uint32_t least = unknown;
      OTT_UNROLL
      for (int n = 0; n < each; ++n) least = rest[n] < least ? rest[n] : least;
      bound = __reduce_min_sync(~0u, least);
      OTT_UNROLL
      for (int n = 0; n < each; ++n) rest[n] = rest[n] == bound ? unknown : rest[n];
    }
    float const reach = __uint_as_float(bound) * slack;
    OTT_UNROLL
    for (int n = 0; n < each; ++n) {
      bool const can = estimates[n] == unknown || __uint_as_float(estimates[n]) <= reach;
      scratch.parts.finite[n * 32 + team.rank()] = can ? 1 : 0;
    }
  }
  /// Scores those, a warp each.
  template <class Team>
  __device__ void rank(Team const& team) const {
    int const lane = team.rank() % 32;
    int number = team.rank() / 32;  // of the next that is this warp's
    OTT_UNROLL
    for (int n = 0; n < each; ++n) {
      std::uint32_t marks = marked(n, lane);
      for (; marks != 0; marks &= marks - 1) {
        if (number-- % (Team::fixed_size / 32) != 0) continue;
        int const token = n * 32 + __ffs(static_cast<int>(marks)) - 1;
        std::uint64_t const own = score(token);
        if (lane == 0) scratch.scores[token] = own;
      }
    }
  }
  /// One warp orders them.
  template <class Team>
  __device__ void find(Team const& team) const {
    if (team.rank() >= 32) return;
    int const lane = team.rank();
    std::uint32_t marks[each];
    OTT_UNROLL
    for (int n = 0; n < each; ++n) marks[n] = marked(n, lane);
    OTT_UNROLL
    for (int n = 0; n < each; ++n) {
      if ((marks[n] >> lane & 1u) == 0) continue;
      int const token = n * 32 + lane;
      std::uint64_t const own = scratch.scores[token];
      int rank = 0;
      OTT_UNROLL
      for (int m = 0; m < each; ++m) {
        for (std::uint32_t rest = marks[m]; rest != 0; rest &= rest - 1) {
          int const other = m * 32 + __ffs(static_cast<int>(rest)) - 1;
          std::uint64_t const theirs = scratch.scores[other];
          rank += theirs < own || (theirs == own && other < token) ? 1 : 0;
        }
      }
      if (rank < P::pool) found(rank, token);
    }
  }
  /// The exact score of one token, for every lane. requires one warp calls
  __device__ std::uint64_t score(int token) const {
    unsigned const lane = threadIdx.x % 32;
    std::uint64_t sum = 0;
    bool finite = true;
    OTT_UNROLL
    for (int n = 0; n < P::head_dim / 64; ++n) {
      int const channel = static_cast<int>(2 * lane) + 64 * n;
      std::uint32_t const word = scratch.tile.template words_at<1>(token, channel)[0];
      OTT_UNROLL
      for (int i = 0; i < 2; ++i) {
        half const x = element_chunk<half>::from_word(word, i);
        finite = finite && (x.bits & 0x7c00u) != 0x7c00u;
        sum += detail::magnitude_units(x);
      }
    }
    // Up to 2^43 a lane: in two parts, each of which a warp adds up in 32 bits.
    std::uint64_t const low = __reduce_add_sync(~0u, static_cast<unsigned>(sum & 0xfffffu));
    std::uint64_t const high = __reduce_add_sync(~0u, static_cast<unsigned>(sum >> 20));
    return __all_sync(~0u, finite) != 0 ? (high << 20) + low : never_traced;
  }

 private:
  static constexpr float slack = 1.0f + 0x1p-8f;         // more than twice two roundings to fp16
  static constexpr int each = P::group / 32;             // tokens a lane
  static constexpr std::uint32_t unknown = 0x7f800000u;  // infinity: it, or NaN, was met

  /// Of a token's score, in bits that order as they do.
  __device__ std::uint32_t estimate(int token) const {
    auto const part = [&](int n) {
      return __uint_as_float(static_cast<std::uint32_t>(scratch.parts.sum[n * P::group + token]));
    };
    float const sum = part(0) + part(1);
    return sum < infinity() ? __float_as_uint(sum) : unknown;
  }
  __device__ std::uint32_t marked(int n, int lane) const {
    return __ballot_sync(~0u, scratch.parts.finite[n * 32 + lane] != 0);
  }
};

}  // namespace ott
