// Speculative decoding: a fork tries draft tokens, a truncate takes back those that were refused.
#include <cstdio>
#include <vector>

#include <ott/ott.hpp>

using policy = ott::paper_policy;
using kv_cache = ott::cache<policy, ott::host_backend<policy>>;
constexpr int dim = policy::head_dim;

/// Stands for a model: the key and value row of a token follow from the token.
void append_tokens(kv_cache& cache, ott::seq_id sequence, std::vector<int> const& tokens) {
  std::vector<ott::half> rows;
  for (int const token : tokens) {
    for (int c = 0; c < dim; ++c) {
      float const x = static_cast<float>((token * 37 + c * 11) % 101 - 50) / 25.0f;
      rows.push_back(ott::from_float<ott::half>(x));
    }
  }
  int const count = static_cast<int>(tokens.size());
  auto const kv = ott::dense_view<ott::half const>(rows.data(), count, 1, dim);
  cache.append(cache.make_batch({{sequence, count}}, {}), 0, kv, kv, {});
}

int main() {
  kv_cache cache{{.max_sequences = 3, .max_tokens = 1024}, {}};
  std::vector<int> prompt(300);
  for (int i = 0; i < 300; ++i) prompt[static_cast<std::size_t>(i)] = i * i % 97;
  ott::seq_id const sequence = cache.create({});
  append_tokens(cache, sequence, prompt);
  int const pages_before = cache.available_pages();

  // [speculate]
  ott::seq_id const draft = cache.fork(sequence, {});  // shares every flushed group
  append_tokens(cache, draft, {11, 12, 13, 14});       // four guesses, checked in one step
  int const accepted = 2;                              // the model agrees with the first two
  cache.truncate(draft, cache.length(sequence) + accepted, {});
  append_tokens(cache, draft, {99});  // and says itself what comes third
  cache.drop(sequence);               // the draft is the sequence now
  // [speculate]

  int const pages_after = cache.available_pages();
  ott::seq_id const plain = cache.create({});  // the same tokens, never guessed
  append_tokens(cache, plain, prompt);
  append_tokens(cache, plain, {11, 12, 99});
  append_tokens(cache, plain, prompt);  // both go on, past further flushes
  append_tokens(cache, draft, prompt);
  bool const same = ott::save(cache, plain, {}) == ott::save(cache, draft, {});
  std::printf("%d tokens, same bytes: %s; pages the fork cost: %d\n", cache.length(draft),
              same ? "yes" : "no", pages_before - pages_after);
  return same && pages_before == pages_after ? 0 : 1;
}
