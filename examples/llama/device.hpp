#pragma once

#include <cstddef>
#include <vector>

#include <ott/core/scalar.hpp>

namespace llama {

/// What became of one scored row of logits.
struct token_score {
  float loss;  // -log softmax(logits)[target]
  int best;    // argmax, the lowest index among equals
};

/// One fused query, key and value projection, as it is taken apart.
struct qkv_shape {
  int num_heads;
  int num_kv_heads;
  int head_dim;
};

/// Where a model computes: memory and nine operations, asynchronous in order.
/// requires D::operand: what matrix products read; D::stream, D::backend<P>: what a cache needs;
///          D::array<T>: memory it owns, array(n), data(), size()
template <class D>
concept device = requires(D& d, typename D::operand* o, typename D::operand const* w, float* x,
                          float const* f, int const* ids, ott::half* kv, token_score* scores,
                          std::vector<float> host, qkv_shape shape) {
  typename D::stream;
  {D::captures};  // can a step be recorded and replayed?
  {d.stream_of()};
  {d.operands(std::move(host))};  // weights to where they are read
  d.upload(ids, std::size_t{}, const_cast<int*>(ids));
  d.download(f, std::size_t{}, x);  // waits
  d.embed(ids, w, x, 0, 0);
  d.multiply(w, w, x, 0, 0, 0);
  d.add_norm(x, f, f, 0.0f, o, 0, 0);
  d.split_heads(f, f, ids, f, shape, o, o, o, 0);
  d.narrow(w, kv, std::size_t{});
  d.silu_product(f, o, 0, 0);
  d.gather(w, ids, o, 0, 0);
  d.score(f, ids, scores, 0, 0);
};

}  // namespace llama
