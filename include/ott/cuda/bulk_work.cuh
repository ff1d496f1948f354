#pragma once

#include <cstddef>
#include <cstdint>

#include <ott/algo/append.hpp>
#include <ott/core/bits.hpp>
#include <ott/core/view.hpp>
#include <ott/cuda/append_kernel.cuh>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/team.cuh>
#include <ott/layout/batch_view.hpp>
#include <ott/layout/layer_view.hpp>

// What the kernels of a bulk append share.
namespace ott {

/// A token that tracing may take, as the key kernel leaves it.
struct alignas(16) trace_candidate {
  std::uint64_t score;
  std::int32_t token;
  std::int32_t reserved;
};

template <class P>
struct bulk_append {
  static constexpr bool traces = flush_scratch<P>::traces;
  static constexpr int candidates = !traces ? 0 : P::pool < P::group ? P::pool : P::group;
  static constexpr std::size_t before_marks =
      sizeof(detail::codes_of<value_half<P>, typename value_layout<P>::code_type,
                              value_layout<P>::num_code_items>) *
          (value_layout<P>::num_code_items > 0) +
      sizeof(typename P::param) * value_layout<P>::num_param_items;
  /// Is there room for the candidates where marks will be, and in the padding after them? Else they
  /// lie where key codes will be, until those are made.
  static constexpr bool fits_marks =
      round_up<std::size_t>(before_marks, 16) + candidates * sizeof(trace_candidate) <=
      sizeof(value_half<P>);
  static constexpr bool possible =
      fits_marks || candidates * sizeof(trace_candidate) <=
                        key_layout<P>::num_code_items * sizeof(typename key_layout<P>::code_type);
  static constexpr int least_rows = 2 * P::group;
  /// Where one group in a few has a traced token, quantizing all of them first costs less than
  /// reading keys twice; not where a fit searches.
  static constexpr bool quantizes_early = flush_scratch<P>::holds_elements && fits_marks;
  static constexpr int many_groups = 64;

  /// Groups that one sequence flushes when it appends `rows`, at most.
  static constexpr int most_groups(int rows) { return rows / P::group + 1; }

  OTT_HD static trace_candidate* candidates_of(group_block<P>& block) {
    if constexpr (fits_marks) return reinterpret_cast<trace_candidate*>(block.v.marks);
    return reinterpret_cast<trace_candidate*>(&block);
  }
};

using bulk_team = sized_team<append_threads>;

namespace detail {

/// What every block works on: one KV head of one sequence and, in most, one of its new groups.
template <class P>
struct append_work {
  sequence_view<P> seq;
  append_plan plan;
  position_rows<P> rows;

  __device__ append_work(layer_view<P> const& layer, batch_view const& batch,
                         view<typename P::element const> k, view<typename P::element const> v,
                         int work)
      : seq{layer.sequence(batch.slot[work / layer.num_kv_heads], work % layer.num_kv_heads)} {
    int const sequence = work / layer.num_kv_heads;
    int const first = batch.row_begin[sequence];
    int const count = batch.row_begin[sequence + 1] - first;
    plan = plan_append(*seq.state, count);
    rows = {seq.state, k.slice(first, count), v.slice(first, count), seq.kv_head, plan.length};
  }

  /// Is no page of the plan missing? A barrier. requires every thread of the block calls
  __device__ bool complete() const {
    bool own = true;
    for (int g = plan.num_groups + static_cast<int>(threadIdx.x); g < plan.new_groups;
         g += blockDim.x) {
      own = own && seq.has_page(g);
    }
    return __syncthreads_and(own) != 0;
  }
};

template <class Scratch>
__device__ Scratch& shared_as() {
  extern __shared__ __align__(128) unsigned char shared[];
  return *reinterpret_cast<Scratch*>(shared);
}

/// New rows of one head: asked once, not for each sixteen bytes, whether they lie as those want.
template <class T>
struct new_rows {
  static constexpr int chunk = element_chunk<T>::size;

  T const* first;
  std::int64_t stride;

  __device__ new_rows(view<T const> const& of, int head)
      : first{of.row(0, head)}, stride{of.token_stride} {}
  __device__ bool aligned() const { return is_aligned_16(first) && stride % chunk == 0; }
  __device__ T const* at(int row, int channel) const { return first + row * stride + channel; }
};

/// Fills the tile with one tensor of a group.
template <class P>
__device__ void load_group(flush_scratch<P>& scratch, append_work<P> const& work, bool keys,
                           int group) {
  int const first_pos = group * P::group;
  if constexpr (flush_scratch<P>::holds_elements) {
    new_rows<typename P::element> const rows(keys ? work.rows.new_k : work.rows.new_v,
                                             work.seq.kv_head);
    if (first_pos >= work.plan.length && rows.aligned()) {
      constexpr int row_chunks = P::head_dim / rows.chunk;
      constexpr int at_once = append_threads / row_chunks;  // rows, and perhaps some threads rest
      int const rank = bulk_team{}.rank();
      int const token = rank / row_chunks;
      int const channel = rank % row_chunks * rows.chunk;
      auto const* from = rows.at(first_pos - work.plan.length + token, channel);
      std::uint32_t* const to = scratch.tile.at(token, channel);
      OTT_UNROLL
      for (int n = 0; n < ceil_div(P::group, at_once); ++n) {
        bool const own = token < at_once && token + n * at_once < P::group;
        arch::copy_async_16(own, to + n * at_once * scratch.tile.row_words, from);
        from += at_once * rows.stride;
      }
      return;
    }
  }
  load_tile<P>(bulk_team{}, scratch, [&](int token) {
    int const pos = first_pos + token;
    return keys ? work.rows.key(pos) : work.rows.value(pos);
  });
}

/// Takes the marks of a group, or none.
template <class P>
__device__ void take_marks(flush_scratch<P>& scratch, std::uint32_t const* marks) {
  if (threadIdx.x != 0) return;
  scratch.num_traced = 0;
  for (int word = 0; word < P::group / 32; ++word) {
    scratch.marks[word] = marks == nullptr ? 0 : marks[word];
    scratch.num_traced += popcount(scratch.marks[word]);
  }
}

}  // namespace detail
}  // namespace ott
