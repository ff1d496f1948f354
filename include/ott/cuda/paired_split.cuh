#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/exact_steps.cuh>
#include <ott/cuda/group_steps.cuh>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/step_copies.cuh>
#include <ott/layout/group_block.hpp>

namespace ott {

/// One split by one block. Two warps share each strand of it (strand s: steps s, s + strands, ..):
/// the first makes a step's scores while the second sums with those of the step before. Warps s and
/// s + strands are on one scheduler, which would else wait for a lone warp's chain of instructions.
/// The sums, their order and the line they end in are those of split_loop.
template <class P, int Sets, class Shared>
struct paired_split {
  using rule = split_rule<P>;
  using groups = group_steps<P, Sets>;
  using exact = exact_steps<P, Sets>;
  using ring_type = typename Shared::ring;
  static constexpr int strands = Shared::strands;
  static constexpr int threads = 64 * strands;
  static constexpr int tile_rows = 4 * Sets;
  static constexpr int exact_split_steps = rule::exact_tokens / exact::tokens;
  using rows_type = query_rows<P, typename groups::query, typename exact::query, threads>;

  attend_args<P> const& args;
  split_plan const& plan;
  Shared& shared;
  int lane;
  int strand;
  bool makes_scores;  // else sums

  /// Attends to split `part` of a KV head of a sequence that has one row: the groups' splits come
  /// first, at most `most_splits` of them, then those of exact rows.
  /// requires every thread of the block calls
  __device__ __forceinline__ void run(int sequence, int kv_head, int part, int most_splits) const {
    int const thread = static_cast<int>(threadIdx.x);
    bool const of_rows = part >= most_splits;
    int const slot = args.batch.slot[sequence];
    if (thread == 0) {  // places that are constants, which a lane each would not have
      OTT_UNROLL
      for (int i = 0; i < strands; ++i) shared.handoffs[i].prepare();
    }
    head_state<P> const& state = *args.layer.sequence(slot, kv_head).state;
    std::int32_t const* const pages = args.layer.page_table + slot * args.layer.max_groups;
    int const likely = of_rows ? 0 : plan.likely.begin(part);  // as most sequences are cut
    // All loads are under way before the first is waited for.
    int const num_groups = state.num_groups;
    query_tile const tile{sequence, 1, state.length, 0, kv_head};
    int own_pages = own_page(pages, likely);
    rows_type rows;
    rows.load(args, tile, of_rows, thread);
    group_cut const cut = rule::fitting_cut(num_groups, 1, args.q_per_kv(), plan.stride);
    int line = part;
    if (of_rows) {
      attend_to_rows(state, tile, (part - most_splits) * exact_split_steps, rows);
      line += min(rule::group_splits(num_groups, cut.run), most_splits) - most_splits;
    } else {
      int const first = cut.begin(part), last = min(cut.begin(part + 1), num_groups);
      if (first >= last) return;
      if (first != likely) own_pages = own_page(pages, first);
      attend_to_groups(own_pages, tile, first, last, rows);
    }
    __syncthreads();
    if (makes_scores) {
      shared.exchange.leave(
          plan, plan.first_line(0, sequence, 1, line),
          thread, [&](int s) -> auto const& { return shared.handoffs[s].summed; });
    }
  }

 private:
  static_assert(groups::a_group == 1);

  __device__ __forceinline__ void attend_to_groups(int own_pages, query_tile const& tile, int first,
                                                   int last, rows_type const& rows) const {
    auto const place = [&](int n) {
      int const step = first + strand + n * strands;
      int const page = __shfl_sync(detail::all_lanes, own_pages, n);
      return group_step{step < last ? block_on(args.layer, page, tile.kv_head) : nullptr, step};
    };
    auto const make_hide = [&](auto const& seen) {
      return [&](auto& scores, int step) {
        int const begin = step * groups::tokens;
        if (!seen.whole(begin, groups::tokens)) seen.hide(scores, begin, args.options, lane);
      };
    };
    attend<groups>(group_copies<groups>{lane}, place, tile, first, last, rows, shared.group_query(),
                   make_hide);
  }
  __device__ __forceinline__ void attend_to_rows(head_state<P> const& state, query_tile const& tile,
                                                 int first, rows_type const& rows) const {
    auto const copies = exact_copies<P>::of(state, tile.length, state.num_groups * P::group,
                                            first + exact_split_steps, lane);
    auto const place = [&](int n) { return first + strand + n * strands; };
    auto const make_hide = [&](auto const& seen) {
      bool const all = seen.whole(0, tile.length);
      return
          [&, all](auto& scores, int step) { copies.hide(scores, seen, all, step, args.options); };
    };
    attend<exact>(copies, place, tile, first, copies.last, rows, shared.exact_query(), make_hide);
  }

  /// The pages of the strand's steps from group `begin` on, a lane a step.
  __device__ __forceinline__ int own_page(std::int32_t const* pages, int begin) const {
    int const group = begin + strand + lane * strands;
    return group < args.layer.max_groups ? pages[group] : 0;
  }
  /// Starts the copies of a step's half: keys where scores are made of them, else values.
  template <class Copies, class Place>
  __device__ __forceinline__ void fetch(Copies const& copies, Place const& place,
                                        ring_type& ring) const {
    ring.fetch([&](std::uint8_t* to) {
      if (makes_scores) {
        copies.keys(place, to);
      } else {
        copies.values(place, to);
      }
    });
  }
  /// The strand's steps of [first, last), and the block's queries before them.
  /// shape    place(n): of its n-th step, as copies want it; make_hide(seen) gives what takes the
  ///          tokens of a step out of its scores that a row does not see
  template <class Steps, class Copies, class Place, class Query, class MakeHide>
  __device__ __forceinline__ void attend(Copies const& copies, Place const& place,
                                         query_tile const& tile, int first, int last,
                                         rows_type const& rows, Query& query,
                                         MakeHide const& make_hide) const {
    using scores_type = typename Steps::scores;
    ring_type ring(shared.rings[makes_scores ? 0 : 1][strand]);
    auto& handoff = shared.handoffs[strand];
    fetch(copies, place(0), ring);
    rows.store(query, args, static_cast<int>(threadIdx.x));
    shared.exchange.place(args, plan, tile, static_cast<int>(threadIdx.x));
    __syncthreads();
    int step = first + strand;
    if (makes_scores) {
      seen_positions<tile_rows, scores_type::own_rows> seen;
      seen.template find<scores_type>(args, tile, lane);
      auto const hide = make_hide(seen);
      float const cap = args.options.soft_cap * 1.4426950408889634f;
#pragma unroll 1
      for (int n = 0; step < last; ++n, step += strands) {
        std::uint8_t const* const keys = ring.template take<0>();
        fetch(copies, place(n + 1), ring);
        scores_type scores = Steps::score(keys, query, lane, args);
        if (cap > 0) scores.soften(cap);
        hide(scores, step);
        handoff.put(n, scores, lane);
      }
    } else {
      typename Steps::sums sums;
#pragma unroll 1
      for (int n = 0; step < last; ++n, step += strands) {
        std::uint8_t const* const values = ring.template take<0>();
        fetch(copies, place(n + 1), ring);
        auto scores = handoff.template take<scores_type>(n, lane);
        sums.add(scores, values, lane);
      }
      sums.finish();
      __syncwarp();  // the last scores have been taken
      shared.exchange.put(sums, handoff.summed, strand, lane);
    }
  }
};

}  // namespace ott
