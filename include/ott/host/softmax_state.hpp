#pragma once

#include <cmath>

#include <ott/core/exact.hpp>

namespace ott {

/// Attention of one query over some of the tokens: a monoid. Merging is associative and has an
/// identity, up to rounding.
/// shape    out: [D], not yet divided by sum
template <int D>
struct softmax_state {
  float max = -infinity();
  float sum = 0;
  float out[D] = {};

  /// Takes one token in: its score and its value row.
  template <class Row>
  void add(float score, Row const& value) {
    float const weight = rescale_to(score);
    sum += weight;
    for (int c = 0; c < D; ++c) out[c] += weight * value[c];
  }

  void merge(softmax_state const& other) {
    if (other.sum == 0.0f) return;
    float const weight = rescale_to(other.max);
    sum += weight * other.sum;
    for (int c = 0; c < D; ++c) out[c] += weight * other.out[c];
  }

  /// Natural log-sum-exp; -infinity where nothing was seen.
  float lse() const { return sum > 0.0f ? max + std::log(sum) : -infinity(); }

 private:
  /// Makes the maximum at least `score`; returns the weight that `score` then has.
  float rescale_to(float score) {
    if (score <= max) return std::exp(score - max);
    float const shrink = std::exp(max - score);
    sum *= shrink;
    for (int c = 0; c < D; ++c) out[c] *= shrink;
    max = score;
    return 1.0f;
  }
};

}  // namespace ott
