#pragma once

#include <barrier>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <ott/algo/team.hpp>

namespace ott_test {

/// CPU threads as a team: a CUDA block where ThreadSanitizer can look. With a seed, members are
/// late at barriers by random amounts, so that orders occur that a loaded machine would show once a
/// year.
class thread_team {
 public:
  thread_team(int rank, int size, std::barrier<>& barrier, std::uint64_t jitter)
      : rank_{rank},
        size_{size},
        barrier_{&barrier},
        jitter_{jitter ^ static_cast<std::uint64_t>(rank)} {}

  int rank() const { return rank_; }
  int size() const { return size_; }
  void sync() const {
    jitter_ = jitter_ * 6364136223846793005ull + 1442695040888963407ull;
    if (jitter_ >> 61 == 0)
      std::this_thread::sleep_for(std::chrono::microseconds{jitter_ >> 57 & 15});
    barrier_->arrive_and_wait();
  }

 private:
  int rank_;
  int size_;
  std::barrier<>* barrier_;
  mutable std::uint64_t jitter_;
};

static_assert(ott::team<thread_team>);

/// Runs body(team) on `size` threads, one member each, and waits for them.
template <class Body>
void run_team(int size, std::uint64_t jitter, Body const& body) {
  std::barrier<> barrier{size};
  std::vector<std::thread> threads;
  for (int rank = 1; rank < size; ++rank) {
    threads.emplace_back([&, rank] { body(thread_team{rank, size, barrier, jitter}); });
  }
  body(thread_team{0, size, barrier, jitter});
  for (std::thread& t : threads) t.join();
}

}  // namespace ott_test
