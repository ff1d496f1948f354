#pragma once

#include <ott/algo/attend_options.hpp>
#include <ott/core/view.hpp>

namespace ott {

/// Attention of a batch's query rows over one layer of a cache: groups, window and pools in one
/// softmax.
/// shape    q, out: [batch rows, q_heads, head_dim] in fp16, bf16 or fp32
///          options.lse: [batch rows, q_heads]
/// source   docs/method.md, Attention
template <class Cache, class Q>
void attend(Cache& cache, typename Cache::batch_type const& batch, int layer, view<Q const> q,
            view<Q> out, attend_options const& options, typename Cache::stream stream) {
  cache.template attend<Q>(batch, layer, q, out, options, stream);
}

template <class Cache, class Q>
void attend(Cache& cache, typename Cache::batch_type const& batch, int layer, view<Q> q,
            view<Q> out, attend_options const& options, typename Cache::stream stream) {
  cache.template attend<Q>(batch, layer, q, out, options, stream);
}

}  // namespace ott
