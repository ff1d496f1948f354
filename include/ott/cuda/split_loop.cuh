#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/thread.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/exact_steps.cuh>
#include <ott/cuda/group_shared.cuh>
#include <ott/cuda/group_steps.cuh>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/step_copies.cuh>

namespace ott {

/// A block takes splits one after another, the first by its own number and the others as they are
/// dealt out. Its warps share a split's steps (warp w: steps w, w + warps, ..), each with its own
/// ring of halves, and merge in their order when the split ends.
///
/// Every split leaves a line of split_plan.hpp: for each row out [D], not divided, groups' in the
/// rotated space, and state {maximum in units of log2, -infinity where the split shows the row no
/// token; sum}.
template <class P, int Sets, class Shared>
struct split_loop {
  using shape = typename Shared::work;
  using list_type = group_list<P, shape>;
  using split_type = listed_split<shape>;
  using ring_type = typename Shared::ring;
  using groups = group_steps<P, Sets>;
  using exact = exact_steps<P, Sets>;
  static constexpr int warps = shape::warps;
  using rows_type = query_rows<P, typename groups::query, typename exact::query, 32 * warps>;

  attend_args<P> const& args;
  split_plan const& plan;
  Shared& shared;
  list_type const& list;
  int lane;
  int warp;

  /// Takes splits while there are any. requires every thread calls
  __device__ __forceinline__ void run() const {
    int const thread = static_cast<int>(threadIdx.x), own = static_cast<int>(blockIdx.x);
    ring_type ring(shared.rings + warp * ring_type::bytes);
    rows_type rows;
    auto const load = [&](split_type const& split) {
      rows.load(args, split.queries(), split.exact(), arch::thread_anew());
    };
    if (thread == 0) shared.known.prepare();
    list.fill(lane, warp, shared.splits[0]);
    if (!plan.strided() && own == 0) {
      for (int i = thread; i <= args.batch.count; i += 32 * warps) {
        plan.line_begin[i] = list.lines_before_sequence(i);
      }
    }
    if (shared.splits[0].none()) {
      __syncthreads();  // all have seen that
      if (warp == 0) {
        int const number = plan.strided() ? lane == 0 ? take_ticket() : 0 : own;
        list.find(__shfl_sync(detail::all_lanes, number, 0), lane, shared.splits[0]);
      }
      __syncthreads();
      if (shared.splits[0].none()) return;
    }
    load(shared.splits[0]);  // before the copies, which are many
    begin(shared.splits[0], ring);
    int line = -1;  // of the split before
#pragma unroll 1
    for (int n = 0;; ++n) {
      split_type const& split = shared.splits[n % 2];
      if (line >= 0) shared.exchange.leave(plan, line, thread);
      if (split.none()) break;
      line = split.line;
      if (split.exact()) {
        rows.store(shared.exact_query(), args, thread);
      } else {
        rows.store(shared.group_query(), args, thread);
      }
      __syncthreads();
      shared.exchange.place(args, plan, split.queries(), arch::thread_anew());
      // A warp that is done begins with the next split, and then waits for the others.
      auto const follow = [&](int ticket) {
        split_type& next = shared.splits[(n + 1) % 2];
        if (warp == 0) {
          list.find(__shfl_sync(detail::all_lanes, ticket, 0), lane, next);
          shared.known.raise();
        }
        shared.known.wait(n);
        if (next.none()) return;
        ring = ring_type(shared.rings + warp * ring_type::bytes);
        load(next);
        begin(next, ring);
      };
      if (split.exact()) {
        attend_to_rows(split, ring, follow);
      } else {
        attend_to_groups(split, ring, follow);
      }
      __syncthreads();
    }
  }

 private:
  __device__ __forceinline__ group_copies<groups> copies_of_groups() const { return {lane}; }
  __device__ __forceinline__ exact_copies<P> copies_of_rows(split_type const& split) const {
    return {*args.layer.sequence(split.slot, split.kv_head).state,
            split.traced,
            split.window_begin,
            split.length - split.window_begin,
            split.last,
            lane};
  }
  __device__ __forceinline__ std::uint8_t const* block_of(split_type const& split, int page) const {
    std::int64_t const at = std::int64_t{page} * args.layer.num_kv_heads + split.kv_head;
    return reinterpret_cast<std::uint8_t const*>(args.layer.blocks + at);
  }
  __device__ __forceinline__ group_step first_step(split_type const& split) const {
    int const step = split.step + warp;
    return {step < split.last ? block_of(split, split.page[warp]) : nullptr, step};
  }
  /// Starts the first copies of a split.
  __device__ __forceinline__ void begin(split_type const& split, ring_type& ring) const {
    if (split.exact()) {
      ring.begin(copies_of_rows(split), split.step + warp);
    } else {
      ring.begin(copies_of_groups(), first_step(split));
    }
  }
  __device__ __forceinline__ float cap() const {
    return args.options.soft_cap * 1.4426950408889634f;
  }
  /// The number of the block's next listed split. Where the first one was listed too, blocks had
  /// their own numbers.
  __device__ __forceinline__ int take_ticket() const {
    int const first = plan.strided() ? 0 : static_cast<int>(gridDim.x);
    return list.size() > first ? first + atomicAdd(plan.ticket, 1) : first;
  }

  /// `follow` is called once, when the warp has read all its steps, with thread 0's next ticket.
  /// requires the ring has begun with the split
  template <class Follow>
  __device__ __forceinline__ void attend_to_groups(split_type const& split, ring_type& ring,
                                                   Follow const& follow) const {
    using scores_type = typename groups::scores;
    auto const copies = copies_of_groups();
    std::int32_t const* const pages = args.layer.page_table + split.pages;
    int const last = split.last;
    auto const page_of = [&](int step) {
      return step < last ? pages[step / shape::group_steps] : -1;
    };
    group_step now = first_step(split);
    int page = page_of(now.step + warps), ticket = 0;
    seen_positions<shape::tile_rows, scores_type::own_rows> seen;
    seen.template find<scores_type>(args, split.queries(), lane);
    typename groups::sums sums;
    bool const leads = threadIdx.x == 0;
    if (leads && now.step + warps >= last) ticket = take_ticket();
#pragma unroll 1
    while (now.step < last) {
      group_step const next{page < 0 ? nullptr : block_of(split, page), now.step + warps};
      page = page_of(next.step + warps);
      // Asked for as late as the answer still comes in time.
      if (leads && next.step < last && next.step + warps >= last) ticket = take_ticket();
      scores_type scores = groups::score(ring.keys(copies, next), shared.group_query(), lane, args);
      ring.drop_keys(copies, next);
      int const begin = now.step * groups::tokens;
      bool const whole = seen.whole(begin, groups::tokens);
      if (__builtin_expect(!whole || cap() > 0, 0)) {
        if (cap() > 0) scores.soften(cap());
        scores.hide(lane, [&](int i, int token) {
          return !sees(args.options, seen.own[i], begin + token);
        });
      }
      sums.add(scores, ring.values(), lane);
      ring.drop_values(copies, next);
      now = next;
    }
    follow(ticket);
    sums.finish();
    shared.exchange.put(sums, warp, lane);
  }
  /// The same of exact rows.
  template <class Follow>
  __device__ __forceinline__ void attend_to_rows(split_type const& split, ring_type& ring,
                                                 Follow const& follow) const {
    using scores_type = typename exact::scores;
    auto const copies = copies_of_rows(split);
    int const ticket = threadIdx.x == 0 ? take_ticket() : 0;
    seen_positions<shape::tile_rows, scores_type::own_rows> seen;
    seen.template find<scores_type>(args, split.queries(), lane);
    bool const all = seen.whole(0, split.length);
    typename exact::sums sums;
#pragma unroll 1
    for (int step = split.step + warp; step < copies.last; step += warps) {
      scores_type scores =
          exact::score(ring.keys(copies, step + warps), shared.exact_query(), lane, args);
      ring.drop_keys(copies, step + warps);
      if (cap() > 0) scores.soften(cap());
      exact_rows<P> const rows = copies.rows(step);
      scores.hide(lane, [&](int i, int row) {
        if (all) return row >= rows.used;
        return !sees(args.options, seen.own[i], rows.position_of(row, copies.state));
      });
      sums.add(scores, ring.values(), lane);
      ring.drop_values(copies, step + warps);
    }
    follow(ticket);
    sums.finish();
    shared.exchange.put(sums, warp, lane);
  }
};

}  // namespace ott
