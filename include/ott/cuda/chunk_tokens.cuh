#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/core/bits.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/pair_reader.cuh>
#include <ott/cuda/part_tile.cuh>
#include <ott/layout/layer_view.hpp>

namespace ott {

/// Tokens that a block multiplies at once: of a group, from token `first` on; or exact rows.
struct token_run {
  int group;  // -1: traced tokens in their order, then the window
  int first;
  int count;  // 0: no more
};

/// What positions a block's rows have, and how far back they see.
struct seen_range {
  int lowest;
  int highest;
  int sliding_window;
};

/// A run's tokens in shared memory. Elements that lie as they are multiplied are copied; codes are
/// staged a group at a time and decoded. All threads of the block call.
template <class P, int Tokens, int Warps>
struct chunk_tokens {
  static constexpr int threads = 32 * Warps;
  using rows_type = operand_rows<P, Tokens, 1>;
  // Small halves wait in shared memory while what lies before them is multiplied.
  static constexpr bool small = sizeof(group_block<P>) <= 28 * 1024;
  static constexpr bool stages_keys = !exact_keys<P> && small;
  static constexpr bool stages_values = !exact_values<P> && small;

  rows_type keys;
  rows_type values;
  std::conditional_t<stages_keys || stages_values, group_block<P>, detail::nothing> staged;
  alignas(16) std::uint32_t marks[round_up(P::group / 32, 4)];  // of the group of `keys`
  alignas(16) float factor[Tokens];
  alignas(16) int pos[Tokens];  // of `keys`; hidden_pos: takes no part
  int plain;                    // does every row see every token?
  seen_range range;
  sequence_view<P> seq;

  /// The run that begins at token `first` of a group, or of the next group that a row sees.
  __device__ token_run run_at(int group, int first) const {
    if (first < P::group) return {group, first, min(Tokens, P::group - first)};
    ++group;
    if (range.sliding_window > 0) {
      group = max(group, (range.lowest - range.sliding_window + 1) / P::group);
    }
    bool const none = group >= seq.state->num_groups || group * P::group > range.highest;
    return {group, 0, none ? 0 : min(Tokens, P::group)};
  }
  __device__ token_run exact_run(int first) const {
    int const tokens = seq.state->num_traced + seq.state->window_size();
    return {-1, first, max(0, min(Tokens, tokens - first))};
  }
  __device__ token_run next_run(token_run const& now) const {
    int const first = now.first + Tokens;
    return now.group >= 0 ? run_at(now.group, first) : exact_run(first);
  }

  /// Starts copying the codes of a run's group. requires the group before is decoded
  __device__ void stage_keys(token_run const& run) {
    if (run.group < 0) return;
    group_block<P> const& block = seq.block(run.group);
    if constexpr (stages_keys) copy_bytes<sizeof(key_half<P>)>(&staged.k, &block.k);
    copy_bytes<sizeof(marks)>(marks, block.v.marks);
  }
  __device__ void stage_values(token_run const& run) {
    if (run.group < 0) return;
    if constexpr (stages_values) {
      copy_bytes<sizeof(value_half<P>)>(&staged.v, &seq.block(run.group).v);
    }
  }

  /// Starts copying what lies as it is multiplied.
  __device__ void start_keys(token_run const& run) {
    head_state<P> const& state = *seq.state;
    if (run.group < 0) {
      keys.copy(run.count,
                [&](int t) { return exact_row(run, t, state.traced_k, state.window_k); });
    } else if constexpr (exact_keys<P>) {
      if (run.count == 0) return;
      auto const* const from = seq.block(run.group).key_codes();
      keys.template copy_from<threads>(run.count, from + run.first * P::head_dim);
    }
  }
  __device__ void start_values(token_run const& run) {
    head_state<P> const& state = *seq.state;
    if (run.group < 0) {
      values.copy(run.count,
                  [&](int t) { return exact_row(run, t, state.traced_v, state.window_v); });
    } else if constexpr (exact_values<P>) {
      auto const* const from = seq.block(run.group).value_codes();
      values.template copy_from<threads>(run.count, from + run.first * P::head_dim);
    }
    if (run.count < Tokens) values.clear(run.count);
  }

  /// Decodes what does not. requires it is staged
  __device__ __forceinline__ void decode_keys(token_run const& run) {
    if (run.group < 0 || run.count == 0) return;
    if constexpr (detail::keys_in_pairs<P>) {
      do_jobs<key_pair_job<P, Tokens>>(keys, block_of<stages_keys>(run), run);
    } else if constexpr (!exact_keys<P>) {
      read_keys(keys, block_of<stages_keys>(run), run.first, run.count);
    }
  }
  __device__ __forceinline__ void decode_values(token_run const& run) {
    if (run.group < 0) return;
    if constexpr (detail::values_in_pairs<P>) {
      do_jobs<value_pair_job<P, Tokens>>(values, block_of<stages_values>(run), run);
    } else if constexpr (!exact_values<P>) {
      read_values(values, block_of<stages_values>(run), run.first, run.count);
    }
  }

  /// Where the run's tokens stand, and what their scores are multiplied by.
  __device__ void place(token_run const& run) {
    int const t = static_cast<int>(threadIdx.x);
    if (run.count == 0 || t >= Tokens) return;
    bool const here = t < run.count;
    int const i = run.first + t;
    if (run.group < 0) {
      head_state<P> const& state = *seq.state;
      pos[t] = !here                  ? attend_args<P>::hidden_pos
               : i < state.num_traced ? state.entries[i].pos
                                      : state.window_begin() + i - state.num_traced;
      factor[t] = 1.0f;
      if (t == 0) plain = 0;
      return;
    }
    bool const marked = here && (marks[i / 32] >> i % 32 & 1u) != 0;
    int const begin = run.group * P::group + run.first;
    pos[t] = here && !marked ? begin + t : attend_args<P>::hidden_pos;
    if constexpr (P::key_factor::present) {
      factor[t] = here ? block_of<stages_keys>(run).key_factor(i) : 1.0f;
    }
    if (t != 0) return;
    std::uint32_t any = 0;
    for (int w = 0; 32 * w < run.count; ++w) any |= marks[run.first / 32 + w];
    bool const late = begin + Tokens - 1 > range.lowest;
    bool const early = range.sliding_window > 0 && begin <= range.highest - range.sliding_window;
    plain = run.count == Tokens && any == 0 && !late && !early;
  }

  /// Where a run's group lies for decoding.
  template <bool Staged>
  __device__ group_block<P> const& block_of(token_run const& run) const {
    if constexpr (Staged)
      return staged;
    else
      return seq.block(run.group);
  }

 private:
  static_assert(Tokens <= threads);

  template <int Bytes>
  __device__ static void copy_bytes(void* to, void const* from) {
    static_assert(Bytes % 16 == 0);
    for (int i = static_cast<int>(threadIdx.x) * 16; i < Bytes; i += threads * 16) {
      arch::copy_async_16(true, static_cast<unsigned char*>(to) + i,
                          static_cast<unsigned char const*>(from) + i);
    }
  }

  /// Where exact row `t` of a run lies among rows of traced tokens and of the window.
  __device__ typename P::element const* exact_row(token_run const& run, int t,
                                                  typename P::element const* traced,
                                                  typename P::element const* window) const {
    head_state<P> const& state = *seq.state;
    int const i = run.first + t;
    if (i < state.num_traced) return traced + i * P::head_dim;
    return window + head_state<P>::window_row(state.window_begin() + i - state.num_traced);
  }

  template <class Job>
  __device__ __forceinline__ static void do_jobs(rows_type& rows, group_block<P> const& block,
                                                 token_run const& run) {
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x / 32); i < Job::jobs(run.count); i += Warps) {
      Job job;
      job.start(rows, block, run.first, i, static_cast<int>(threadIdx.x % 32));
      do_job(job);
    }
  }
};

}  // namespace ott
