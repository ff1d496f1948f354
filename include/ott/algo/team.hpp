#pragma once

#include <concepts>

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

}  // namespace ott
