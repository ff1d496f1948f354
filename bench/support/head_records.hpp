#pragma once

#include "support/filled_cache.hpp"

namespace ott_bench {

/// Copies `count` records of 16 bytes between arrays whose items lie `to_pitch` and `from_pitch`
/// bytes apart.
void copy_headers(void* to, std::size_t to_pitch, void const* from, std::size_t from_pitch,
                  std::size_t count, cudaStream_t s);

/// The lengths, group and trace counts of all heads of a cache, kept to go back to: what was
/// appended since is forgotten, flushes included.
template <class P>
class saved_headers {
 public:
  saved_headers(filled_cache<P> const& f, cudaStream_t s)
      : heads_{f.cache->layer(0).heads},
        kept_(16 * f.sequences.size() *
              static_cast<std::size_t>(f.cache->layer(0).heads_per_slot)) {
    copy_headers(kept_.data(), 16, heads_, sizeof *heads_, kept_.size() / 16, s);
  }
  void restore(cudaStream_t s) const {
    copy_headers(heads_, sizeof *heads_, kept_.data(), 16, kept_.size() / 16, s);
  }

 private:
  ott::head_state<P>* heads_;
  device_array<unsigned char> kept_;
};

}  // namespace ott_bench
