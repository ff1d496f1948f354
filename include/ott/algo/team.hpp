#pragma once

#include <concepts>
#include <cstdint>

#include <ott/algo/tile.hpp>
#include <ott/core/array.hpp>
#include <ott/core/exact.hpp>
#include <ott/core/macros.hpp>

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
  for (int i = team.rank(); i < count; i += team.size()) body(i);
}

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

/// lesser() and greater() of core/exact.hpp, but for the sign of a zero, which no stored bit shows.
template <class Team>
OTT_HD constexpr float lower_end(Team const& team, float best, float x) {
  if constexpr (requires { team.lower_end(best, x); }) {
    return team.lower_end(best, x);
  } else {
    return lesser(best, x);
  }
}
template <class Team>
OTT_HD constexpr float upper_end(Team const& team, float best, float x) {
  if constexpr (requires { team.upper_end(best, x); }) {
    return team.upper_end(best, x);
  } else {
    return greater(best, x);
  }
}

}  // namespace ott
