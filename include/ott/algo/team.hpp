#pragma once

#include <concepts>
#include <cstdint>

#include <ott/algo/tile.hpp>
#include <ott/core/array.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/macros.hpp>
#include <ott/core/scalar.hpp>

namespace ott {

/// Who works together on one group: a thread alone, a CUDA block, CPU threads in a test.
/// requires rank() in 0 .. size() - 1, sync() a barrier that publishes what was written before it
template <class T>
concept team = requires(T const& t) {
  { t.rank() } -> std::convertible_to<int>;
  { t.size() } -> std::convertible_to<int>;
  t.sync();
};

/// One thread: the reference, and what runs inside static_assert.
struct serial_team {
  OTT_HD constexpr int rank() const { return 0; }
  OTT_HD constexpr int size() const { return 1; }
  OTT_HD constexpr void sync() const {}
};

/// Deals 0 .. count - 1 to the members; each index has exactly one owner.
template <class Team, class Body>
OTT_HD constexpr void for_each(Team const& team, int count, Body const& body) {
  if constexpr (requires { Team::fixed_size; }) {  // the compiler counts the rounds
    int const rounds = ceil_div(count, Team::fixed_size);
    for (int n = 0; n < rounds; ++n) {
      int const i = team.rank() + n * Team::fixed_size;
      if (i < count) body(not_negative(i));
    }
  } else {
    for (int i = team.rank(); i < count; i += team.size()) body(not_negative(i));
  }
}

/// The same members, counted from the middle: so two halves of a team do different things at once.
template <class Team>
struct turned_team : Team {
  OTT_HD constexpr int rank() const {
    int const half = Team::size() / 2;
    return Team::rank() < half ? Team::rank() + Team::size() - half : Team::rank() - half;
  }
};

// What a team may do better than plain code, and what plain code does for a team that does not.

/// Copies sixteen bytes of elements into a tile.
/// requires `to` a multiple of 16 bytes; settle() and sync() before they are read
template <class Team, class T>
OTT_HD constexpr void fetch_chunk(Team const& team, std::uint32_t* to, T const* from) {
  if constexpr (requires { team.fetch_chunk(to, from); }) {
    team.fetch_chunk(to, from);
  } else {
    auto const chunk = element_chunk<T>::of(from);
    for (int i = 0; i < 4; ++i) to[i] = chunk.words[i];
  }
}

/// Sixteen bytes of elements.
template <class T, class Team>
OTT_HD constexpr element_chunk<T> load_chunk(Team const& team, T const* from) {
  if constexpr (requires { team.load_chunk(from); }) {
    return team.load_chunk(from);
  } else {
    return element_chunk<T>::of(from);
  }
}

/// Copies sixteen bytes of elements.
template <class Team, class T>
OTT_HD constexpr void move_chunk(Team const& team, T* to, T const* from) {
  if constexpr (requires { team.move_chunk(to, from); }) {
    team.move_chunk(to, from);
  } else {
    for (int i = 0; i < element_chunk<T>::size; ++i) to[i] = from[i];
  }
}

/// Writes two words. requires `to` a multiple of 8 bytes
template <class Team>
OTT_HD constexpr void store_pair(Team const& team, std::uint32_t* to,
                                 array<std::uint32_t, 2> const& pair) {
  if constexpr (requires { team.store_pair(to, pair); }) {
    team.store_pair(to, pair);
  } else {
    for (int i = 0; i < 2; ++i) to[i] = pair[i];
  }
}

/// Is it true of any member? A team that cannot tell says yes.
/// requires every member calls; a barrier
template <class Team>
OTT_HD constexpr bool any_member(Team const& team, bool own) {
  if constexpr (requires { team.any(own); }) {
    return team.any(own);
  } else {
    team.sync();
    return true;
  }
}

/// Waits for this member's own fetch_chunk calls.
template <class Team>
OTT_HD constexpr void settle(Team const& team) {
  if constexpr (requires { team.settle(); }) team.settle();
}

/// The range of each element of a word over many words: one word of lower ends, one of upper ends.
struct word_range {
  std::uint32_t lo;
  std::uint32_t hi;
};

/// The range that holds two others; NaN is passed over. Which sign a zero has is left open: no
/// stored bit shows it.
template <scalar T, class Team>
OTT_HD constexpr word_range widened(Team const& team, word_range range, word_range other) {
  if constexpr (requires { team.template widened<T>(range, other); }) {
    return team.template widened<T>(range, other);
  } else {
    using chunk = element_chunk<T>;
    for (int i = 0; i < chunk::per_word; ++i) {
      std::uint32_t const own = chunk::mask_of(i);
      float const lo = to_float(chunk::from_word(other.lo, i));
      float const hi = to_float(chunk::from_word(other.hi, i));
      bool const below = lo < to_float(chunk::from_word(range.lo, i));
      bool const above = hi > to_float(chunk::from_word(range.hi, i));
      if (below) range.lo = (range.lo & ~own) | (other.lo & own);
      if (above) range.hi = (range.hi & ~own) | (other.hi & own);
    }
    return range;
  }
}

/// 0xffff in each half of a word where the fp16 number of `x` is at least that of `bound`.
template <class Team>
OTT_HD constexpr std::uint32_t at_least(Team const& team, std::uint32_t x, std::uint32_t bound) {
  if constexpr (requires { team.at_least(x, bound); }) {
    return team.at_least(x, bound);
  } else {
    using chunk = element_chunk<half>;
    std::uint32_t mask = 0;
    for (int i = 0; i < chunk::per_word; ++i) {
      if (to_float(chunk::from_word(x, i)) >= to_float(chunk::from_word(bound, i))) {
        mask |= chunk::mask_of(i);
      }
    }
    return mask;
  }
}

}  // namespace ott
