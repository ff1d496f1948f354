#include "llama/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace llama {

int sampler::operator()(std::span<float const> logits) {
  auto const best = std::max_element(logits.begin(), logits.end());
  if (how_.temperature <= 0) return static_cast<int>(best - logits.begin());
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  auto const logit = [&](int id) { return logits[static_cast<std::size_t>(id)]; };
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
  if (how_.top_k > 0 && static_cast<std::size_t>(how_.top_k) < order.size()) {
    order.resize(static_cast<std::size_t>(how_.top_k));
  }
  std::vector<double> weights;
  double total = 0;
  for (int const id : order) {
    total += weights.emplace_back(std::exp((logit(id) - *best) / how_.temperature));
  }
  double kept = 0;
  std::size_t count = 0;
  while (count < weights.size() && kept < how_.top_p * total) kept += weights[count++];
  // 53 random bits, not a library's distribution: the same choice with every compiler.
  double left = static_cast<double>(random_() >> 11) * 0x1p-53 * kept;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[count > 0 ? count - 1 : 0];
}

}  // namespace llama
