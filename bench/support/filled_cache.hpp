#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include <ott/cache/cache.hpp>
#include <ott/cuda/backend.hpp>

#include "support/axes.hpp"
#include "support/device.hpp"
#include "support/random_rows.hpp"

namespace ott_bench {

template <class P>
using device_cache = ott::cache<P, ott::cuda_backend<P>>;

/// A cache whose layers are working sets: every layer holds the same sequences at other addresses.
template <class P>
struct filled_cache {
  std::unique_ptr<device_cache<P>> cache;
  std::vector<ott::seq_id> sequences;
  std::vector<int> lengths;

  /// A batch with `rows` rows of every sequence.
  auto batch(int rows, cudaStream_t s) const {
    std::vector<ott::batch_entry> entries;
    for (ott::seq_id const id : sequences) entries.push_back({id, rows});
    return cache->make_batch(entries, s);
  }
};

template <class P>
ott::cache_config config_of(shape const& s, int layers) {
  ott::cache_config config;
  config.num_layers = layers;
  config.num_kv_heads = s.kv_heads;
  config.num_q_heads = s.q_heads;
  config.max_sequences = s.sequences;
  config.max_tokens = s.tokens;
  config.max_query_rows = s.sequences * s.rows;
  for (int const length : s.lengths()) config.num_pages += ott::groups_after<P>(0, length);
  return config;
}

/// Creates the sequences, all empty.
template <class P>
filled_cache<P> empty_cache(shape const& s, ott::cache_config const& config, cudaStream_t stream) {
  filled_cache<P> made;
  made.cache = std::make_unique<device_cache<P>>(config, stream);
  made.lengths.assign(static_cast<std::size_t>(s.sequences), 0);
  for (int i = 0; i < s.sequences; ++i) made.sequences.push_back(made.cache->create(stream));
  return made;
}

/// Appends to one layer what brings every sequence to its length, in chunks, through the
/// library's own append.
template <class P>
void append_to(filled_cache<P>& f, int layer, std::vector<int> const& lengths,
               cudaStream_t stream) {
  ott::cache_config const& config = f.cache->config();
  int const heads = config.num_kv_heads;
  int const chunk_rows = 1 << 16;  // of all sequences together: 2 x 128 MB at 8 heads of 128
  int const each = std::max(1, chunk_rows * 8 / heads / static_cast<int>(lengths.size()));
  std::size_t const most = static_cast<std::size_t>(each) * lengths.size();
  std::size_t const row = static_cast<std::size_t>(heads) * P::head_dim;
  device_array<ott::half> keys(most * row);
  device_array<ott::half> values(most * row);
  std::vector<int> done = f.lengths;
  std::size_t token = 0;
  for (;;) {
    std::vector<ott::batch_entry> entries;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      int const rows = std::min(each, lengths[i] - done[i]);
      if (rows > 0) entries.push_back({f.sequences[i], rows});
      done[i] += std::max(0, rows);
    }
    if (entries.empty()) break;
    auto const batch = f.cache->make_batch(entries, stream);
    int const rows = batch.num_rows();
    random_keys(keys.data(), token, rows, heads, P::head_dim, 1, stream);
    random_values(values.data(), token, rows, heads, P::head_dim, 101, stream);
    token += static_cast<std::size_t>(rows);
    auto const rows_of = [&](ott::half const* p) {
      return ott::dense_view<ott::half const>(p, rows, heads, P::head_dim);
    };
    f.cache->append(batch, layer, rows_of(keys.data()), rows_of(values.data()), stream);
    check(cudaStreamSynchronize(stream), "append");
  }
}

/// Copies layer 0 to the others on the device: distinct memory, equal values. Pages are common to
/// all layers, so their tables already fit. The host's count of the other layers' tokens stays 0.
template <class P>
void copy_layers(filled_cache<P> const& f, cudaStream_t s) {
  ott::cache_config const& config = f.cache->config();
  auto const from = f.cache->layer(0);
  auto const heads = static_cast<std::size_t>(config.num_kv_heads);
  std::size_t const blocks =
      sizeof(ott::group_block<P>) * static_cast<std::size_t>(config.num_pages) * heads;
  std::size_t const pitch =
      sizeof(ott::head_state<P>) * static_cast<std::size_t>(from.heads_per_slot);
  for (int layer = 1; layer < config.num_layers; ++layer) {
    auto const to = f.cache->layer(layer);
    check(cudaMemcpyAsync(to.blocks, from.blocks, blocks, cudaMemcpyDeviceToDevice, s), "copy");
    check(cudaMemcpy2DAsync(to.heads, pitch, from.heads, pitch, sizeof(ott::head_state<P>) * heads,
                            f.sequences.size(), cudaMemcpyDeviceToDevice, s),
          "copy");
  }
  check(cudaStreamSynchronize(s), "copy");
}

/// A cache of this shape with all its tokens, in `layers` working sets.
template <class P>
filled_cache<P> fill(shape const& s, int layers, cudaStream_t stream) {
  auto made = empty_cache<P>(s, config_of<P>(s, layers), stream);
  append_to(made, 0, s.lengths(), stream);
  made.lengths = s.lengths();
  copy_layers(made, stream);
  return made;
}

}  // namespace ott_bench
