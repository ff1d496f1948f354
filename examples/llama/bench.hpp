#pragma once

#include <string>
#include <vector>

namespace llama {

struct bench_options {
  std::string shape = "llama-3-8b";
  std::string policy = "rotated-2";
  std::string backend = "auto";
  int context = 16384;  // tokens in the cache of each sequence when decoding begins
  std::vector<int> batches = {1, 4, 16, 64, 256};
  int steps = 32;
  std::string json;
};

/// Decodes with random weights over a cache filled with noise: tokens per second and memory, batch
/// by batch, to the largest that fits.
void bench(bench_options const& asked);

}  // namespace llama
