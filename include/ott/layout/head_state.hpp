#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/policy/cache_policy.hpp>

namespace ott {

/// One traced token, wherever its rows lie: the index of the entry is the index of its rows.
struct traced_entry {
  std::uint64_t score;
  std::int32_t pos;
  std::int32_t evicted;  // 0: outlier pool, 1: evicted pool
};

/// What one KV head of one sequence and layer holds outside its groups.
/// shape    window_k, window_v: [R + G, head_dim], position p in row p % (R + G);
///          traced_k, traced_v: [P + A, head_dim] in the order of tracing: rows never move
template <class P>
struct alignas(128) head_state {
  static constexpr int num_entries = traced_capacity<P> > 0 ? traced_capacity<P> : 1;
  using element = typename P::element;

  std::int32_t length;        // tokens so far
  std::int32_t num_groups;    // flushed groups; the window holds positions [num_groups * G, length)
  std::int32_t num_traced;    // entries in use
  std::int32_t tracing_done;  // 0 but while a bulk append runs: is it known what is traced?
  traced_entry entries[num_entries];
  alignas(128) element window_k[window_capacity<P> * P::head_dim];
  alignas(128) element window_v[window_capacity<P> * P::head_dim];
  alignas(128) element traced_k[num_entries * P::head_dim];
  alignas(128) element traced_v[num_entries * P::head_dim];

  OTT_HD static constexpr int window_row(int pos) { return pos % window_capacity<P> * P::head_dim; }
  OTT_HD constexpr int window_begin() const { return num_groups * P::group; }
  OTT_HD constexpr int window_size() const { return length - window_begin(); }
};

/// Groups that are flushed once `length` tokens are there, when `num_groups` were before.
template <class P>
OTT_HD constexpr int groups_after(int num_groups, int length) {
  int const waiting = length - num_groups * P::group - P::residual;
  return waiting < P::group ? num_groups : num_groups + waiting / P::group;
}

}  // namespace ott
