#pragma once

#include <cstddef>

#include <ott/algo/backend.hpp>
#include <ott/cuda/stream.hpp>

namespace ott {

/// The device backend: declarations only, so that an engine's .cpp meets no kernel. One .cu a
/// policy says
/// `#include <ott/cuda/backend.cuh>` and `template struct ott::cuda_backend<my_policy>;`.
template <cache_policy P>
struct cuda_backend {
  using policy = P;
  using element = typename P::element;
  using stream = cuda_stream;

  /// Device memory from cudaMalloc. Throws errc::capacity when there is none left.
  void* allocate(std::size_t bytes);
  void deallocate(void* p, std::size_t bytes);
  void copy(void* to, void const* from, std::size_t bytes, stream s);
  void fill(void* to, int byte, std::size_t bytes, stream s);
  void wait(stream s);

  /// Appends and flushes in one launch; capturable. A sequence that lacks a page raises the layer's
  /// flag and stays as it is.
  void append(layer_view<P> layer, batch_view batch, view<element const> k, view<element const> v,
              stream s);

  void attend(attend_call<P, half> const& call, stream s);
  void attend(attend_call<P, bf16> const& call, stream s);
  void attend(attend_call<P, float> const& call, stream s);

  void set_length(layer_view<P> layer, int slot, int length, stream s);

  /// Bytes that attend needs for calls up to this size: total query rows, query heads, KV heads and
  /// the sum over the batch of (groups of the sequence).
  std::size_t workspace_bytes(int num_rows, int num_q_heads, int num_kv_heads,
                              int num_groups) const;
};

}  // namespace ott
