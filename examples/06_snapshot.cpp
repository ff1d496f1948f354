// Offload and restore: a sequence leaves the cache as bytes and comes back bit-identical.
#include <cstdio>
#include <vector>

#include <ott/ott.hpp>

using policy = ott::rotated_policy;
using kv_cache = ott::cache<policy, ott::host_backend<policy>>;
constexpr int tokens = 500, layers = 2, dim = policy::head_dim;

int main() {
  ott::host_stream const stream;
  kv_cache cache{{.num_layers = layers, .max_tokens = 1024}, stream};
  std::vector<ott::half> rows;
  for (int i = 0; i < tokens * dim; ++i) {
    rows.push_back(ott::from_float<ott::half>(static_cast<float>(i * 7919 % 1000 - 500) / 250.0f));
  }
  ott::seq_id const sequence = cache.create(stream);
  auto const prompt = cache.make_batch({{sequence, tokens}}, stream);
  auto const kv = ott::dense_view<ott::half const>(rows.data(), tokens, 1, dim);
  for (int layer = 0; layer < layers; ++layer) cache.append(prompt, layer, kv, kv, stream);

  // [offload]
  ott::snapshot_bytes const blob = ott::save(cache, sequence, stream);
  cache.drop(sequence);                                         // its pages are free again
  ott::seq_id const restored = ott::load(cache, blob, stream);  // under a new id
  // [offload]

  bool const same = ott::save(cache, restored, stream) == blob;
  cache.drop(restored);
  bool refused = false;
  ott::snapshot_bytes damaged = blob;
  damaged[blob.size() / 2] ^= std::byte{1};
  try {
    ott::load(cache, damaged, stream);
  } catch (ott::error const& e) {
    refused = e.code() == ott::errc::snapshot;
    std::printf("%s\n", e.what());
  }
  std::printf("%zu bytes for %d tokens; same after a round trip: %s\n", blob.size(), tokens,
              same ? "yes" : "no");
  return same && refused && cache.num_sequences() == 0 ? 0 : 1;
}
