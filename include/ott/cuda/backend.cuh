#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include <ott/cuda/append_kernel.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/backend.hpp>
#include <ott/cuda/bulk_append.cuh>
#include <ott/cuda/group_kernel.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/memory.cuh>
#include <ott/cuda/merge_kernel.cuh>
#include <ott/cuda/paired_kernel.cuh>
#include <ott/cuda/part_kernel.cuh>
#include <ott/cuda/plan_kernel.cuh>
#include <ott/cuda/prefill_kernel.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/split_plan.hpp>

// Definitions of cuda_backend: the one header that a policy's .cu includes.
namespace ott {

namespace detail {

/// Which of the two ways an attention call needs, from what the host knows of its batch.
template <class P>
struct attend_shape {
  int few_rows;   // rows of sequences with few rows, at most
  int most_rows;  // of one such sequence
  bool has_many;  // is there a sequence with many?

  attend_shape(batch_view const& batch, int per_kv)
      : few_rows{batch.num_rows}, most_rows{batch.max_rows}, has_many{false} {
    if (batch.max_rows == 0 || split_rule<P>::few(batch.max_rows, per_kv)) return;
    has_many = true;
    few_rows = batch.num_rows - batch.max_rows;
    if (batch.num_rows == std::int64_t{batch.count} * batch.max_rows) few_rows = 0;  // all alike
    int const fitting = split_rule<P>::most_rows / per_kv;
    most_rows = fitting > 1 ? fitting : 1;
  }
};

template <class P, class Q>
attend_args<P> erased(attend_call<P, Q> const& call) {
  static_assert(scalar<Q>);
  auto const view_of = [](auto const& v) {
    return any_view{const_cast<Q*>(v.data), kind_of<Q>(), v.token_stride, v.head_stride};
  };
  int const per_kv = call.q.heads / call.layer.num_kv_heads;
  attend_args<P> args{
      call.layer,   call.batch,   view_of(call.q), view_of(call.out),
      call.options, call.q.heads, per_kv,          1.0f / static_cast<float>(per_kv)};
  if (args.options.scale == 0) args.options.scale = 1 / std::sqrt(static_cast<float>(P::head_dim));
  return args;
}

/// Sequences with few rows: step by step where the policy can, else the generic kernels.
template <class P>
void attend_few(attend_args<P> const& args, attend_shape<P> const& shape, int max_groups,
                void* workspace, std::size_t bytes, cuda_stream s) {
  char const* const where = "ott::cuda_backend::attend";
  using rule = split_rule<P>;
  int const rows = args.batch.num_rows > args.batch.count ? args.batch.num_rows : args.batch.count;
  auto const least = static_cast<std::size_t>(shape.few_rows) * (1 + rule::exact_splits);
  std::size_t const wanted = split_workspace<P>::bytes(
      static_cast<std::size_t>(rows), static_cast<std::size_t>(args.num_q_heads), least);
  if (bytes < wanted) {
    fail(errc::capacity, where, "workspace bytes", std::to_string(bytes),
         "at least " + std::to_string(wanted) + "; see workspace_bytes");
  }
  split_plan plan = split_workspace<P>::place(workspace, bytes, rows, args.num_q_heads);
  if constexpr (has_group_steps<P>) {
    int const stride = rule::row_lines(max_groups, args.q_per_kv());
    if (std::int64_t{args.batch.num_rows} * stride <= plan.capacity) plan.stride = stride;
    plan.likely = rule::cut(max_groups, 1, args.q_per_kv());
    if (!launch_pairs(args, plan, max_groups, s)) launch_groups<P>(args, plan, s);
  } else {
    using block = typename split_shape<P>::block;
    std::int64_t const count = args.batch.count, heads = args.layer.num_kv_heads;
    launch(where, plan_kernel<P>, {1, plan_threads}, s, args, plan, split_rows);
    int const tiles = ceil_div(shape.most_rows * args.q_per_kv(), split_rows);
    int const most_splits = ceil_div(max_groups, rule::least_groups(args.q_per_kv()));
    std::int64_t const work = count * tiles * heads * (rule::exact_splits + most_splits);
    std::int64_t const blocks = std::int64_t{8} * device_attribute(cudaDevAttrMultiProcessorCount);
    launch(where, split_kernel<P>,
           {work < blocks ? work : blocks, split_shape<P>::threads, sizeof(block)}, s, args, plan,
           tiles);
  }
  launch_merge(args, plan, shape.most_rows, max_groups, has_group_steps<P>, s);
}

template <class P, class Q>
void attend_on_device(attend_call<P, Q> const& call, cuda_stream s) {
  if (call.batch.num_rows == 0) return;
  attend_args<P> const args = erased(call);
  attend_shape<P> const shape{call.batch, args.q_per_kv()};
  if (shape.few_rows > 0) {
    attend_few(args, shape, call.max_groups, call.workspace, call.workspace_bytes, s);
  }
  if (shape.has_many) {
    using kernel = prefill_shape<P>;
    int const tiles = ceil_div(call.batch.max_rows * args.q_per_kv(), kernel::rows);
    launch("ott::cuda_backend::attend", prefill_kernel<P>,
           {std::int64_t{tiles} * call.batch.count * call.layer.num_kv_heads, kernel::threads,
            sizeof(typename kernel::block)},
           s, args, tiles);
  }
}

}  // namespace detail

template <cache_policy P>
void* cuda_backend<P>::allocate(std::size_t bytes) {
  return allocate_device(bytes);
}

template <cache_policy P>
void cuda_backend<P>::deallocate(void* p, std::size_t) {
  deallocate_device(p);
}

template <cache_policy P>
void cuda_backend<P>::copy(void* to, void const* from, std::size_t bytes, stream s) {
  copy_memory(to, from, bytes, s);
}

template <cache_policy P>
void cuda_backend<P>::fill(void* to, int byte, std::size_t bytes, stream s) {
  fill_memory(to, byte, bytes, s);
}

template <cache_policy P>
void cuda_backend<P>::wait(stream s) {
  wait_for(s);
}

template <cache_policy P>
void cuda_backend<P>::append(layer_view<P> layer, batch_view batch, view<element const> k,
                             view<element const> v, stream s) {
  char const* const where = "ott::cuda_backend::append";
  std::int64_t const heads = std::int64_t{batch.count} * layer.num_kv_heads;
  if constexpr (bulk_append<P>::possible) {
    if (batch.max_rows >= bulk_append<P>::least_rows) {
      append_in_bulk<P>(where, layer, batch, k, v, s);
      return;
    }
  }
  using flush = step_flush<P>;
  append_crews const crews =
      deal_heads<P>(heads, device_attribute(cudaDevAttrMultiProcessorCount), has_clusters());
  launch(where, append_kernel<P>,
         {std::int64_t{crews.count} * crews.size, flush::threads, flush::shared_bytes, true,
          crews.size},
         s, layer, batch, k, v, crews);
}

template <cache_policy P>
void cuda_backend<P>::attend(attend_call<P, half> const& call, stream s) {
  detail::attend_on_device(call, s);
}

template <cache_policy P>
void cuda_backend<P>::attend(attend_call<P, bf16> const& call, stream s) {
  detail::attend_on_device(call, s);
}

template <cache_policy P>
void cuda_backend<P>::attend(attend_call<P, float> const& call, stream s) {
  detail::attend_on_device(call, s);
}

template <cache_policy P>
void cuda_backend<P>::set_length(layer_view<P> layer, int slot, int length, stream s) {
  constexpr int threads = 32;
  launch("ott::cuda_backend::set_length", set_length_kernel<P>,
         {ceil_div(layer.num_kv_heads, threads), threads}, s, layer, slot, length);
}

template <cache_policy P>
std::size_t cuda_backend<P>::workspace_bytes(int num_rows, int num_q_heads, int,
                                             int num_groups) const {
  auto const rows = static_cast<std::size_t>(num_rows);
  return split_workspace<P>::bytes(
      rows, static_cast<std::size_t>(num_q_heads),
      split_rule<P>::most_lines(rows, static_cast<std::size_t>(num_groups)));
}

}  // namespace ott
