#pragma once

#include <support/backends.hpp>
#include <support/catch.hpp>

// What the laws have in common: how large a try is, and feeding a sequence.
namespace ott_test {

/// Groups that a try goes through: built-in policies are of full size and take the time.
inline int tried_groups(subject const& s) { return s.built_in ? 2 : 5; }

/// A length that leaves a filling group behind `groups` flushed ones.
inline int length_for(subject const& s, int groups) {
  return groups * s.method.group + s.method.residual + s.method.group / 3;
}

inline ott::cache_config shape_of(subject const& s, int layers, int heads, int sequences,
                                  int groups) {
  ott::cache_config config;
  config.num_layers = layers;
  config.num_kv_heads = heads;
  config.num_q_heads = 3 * heads;
  config.max_sequences = sequences;
  config.max_tokens = (groups + 1) * s.method.group + s.method.residual;
  config.max_query_rows = 2 * config.max_tokens;
  return config;
}

/// One sequence with all rows appended at once.
inline ott::seq_id filled(any_cache& cache, std::vector<rows> const& kv) {
  ott::seq_id const id = cache.create();
  cache.append_all(id, kv, 0, kv[0].tokens);
  return id;
}

/// Cuts `total` into random pieces, some of them 1.
inline std::vector<int> random_cuts(random_source& random, int total, int largest) {
  std::vector<int> pieces;
  while (total > 0) {
    int const piece = random.one_in(3) ? 1 : 1 + random.below(largest);
    pieces.push_back(piece < total ? piece : total);
    total -= pieces.back();
  }
  return pieces;
}

}  // namespace ott_test
