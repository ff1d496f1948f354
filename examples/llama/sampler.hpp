#pragma once

#include <cstdint>
#include <random>
#include <span>

namespace llama {

struct sampling {
  double temperature = 0;  // 0: greedy
  double top_p = 1;        // the most likely tokens that together reach this
  int top_k = 0;           // at most so many; 0: all
  std::uint64_t seed = 0;
};

/// Chooses tokens of one sequence; the same seed gives the same choices, whatever else runs.
class sampler {
 public:
  sampler(sampling const& how, std::uint64_t stream) : how_{how}, random_{how.seed + stream} {}
  bool greedy() const { return how_.temperature <= 0; }
  int operator()(std::span<float const> logits);

 private:
  sampling how_;
  std::mt19937_64 random_;
};

}  // namespace llama
