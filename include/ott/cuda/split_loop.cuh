#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/async_copy.cuh>
#include <ott/cuda/arch/pause.cuh>
#include <ott/cuda/arch/thread.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/exact_steps.cuh>
#include <ott/cuda/group_shared.cuh>
#include <ott/cuda/group_steps.cuh>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/step_copies.cuh>
#include <ott/layout/group_block.hpp>

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
  using split_type = listed_split;
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
    auto const start = [&](split_type const& split) {
      int const page = first_page(split, warp);
      rows.load(args, split.queries(), split.exact(), row_thread());  // before the many copies
      begin(split, page, ring);
    };
    if (thread == 0) shared.known.prepare();
    list.read(lane, warp);
    split_type first;  // alike in all threads, and known before the list is summed up
    int const splits = list.find_first(first);
    bool const listed = first.none();
    if (!listed) {
      wait_for_turn(splits);
      start(first);
    }
    if (thread == 0) shared.splits[0] = first;
    list.sum_up(lane, warp);
    if (!plan.strided() && own == 0) {
      for (int i = thread; i <= args.batch.count; i += 32 * warps) {
        plan.line_begin[i] = list.lines_before_sequence(i);
      }
    }
    if (listed) {
      if (warp == 0) {
        int const number = plan.strided() ? lane == 0 ? take_ticket() : 0 : own;
        list.find(__shfl_sync(detail::all_lanes, number, 0), shared.splits[0]);
      }
      __syncthreads();
      if (shared.splits[0].none()) return;
      start(shared.splits[0]);
    }
    int line = -1;  // of the split before, where it is kept
#pragma unroll 1
    for (int n = 0;; ++n) {
      split_type const& split = shared.splits[n % 2];
      split_type& next = shared.splits[(n + 1) % 2];  // until it is found, the one before
      if (n > 0) shared.exchange.leave(plan, finds_places_anew ? line : next.line, thread);
      if (split.none()) break;
      if (finds_places_anew) line = split.line;
      if (split.exact()) {
        rows.store(shared.exact_query(), args, store_thread(thread));
      } else {
        rows.store(shared.group_query(), args, store_thread(thread));
      }
      __syncthreads();
      shared.exchange.place(args, plan, split.queries(), row_thread());
      // A warp that is done begins with the next split, and then waits for the others.
      auto const follow = [&] {
        shared.known.wait(n);
        if (next.none()) return;
        ring = ring_type(shared.rings + warp * ring_type::bytes);
        rows.load(args, next.queries(), next.exact(), row_thread());
        begin(next, shared.pages[warp], ring);
      };
      if (split.exact()) {
        afresh().attend_to_rows(split, next, ring, follow);
      } else {
        afresh().attend_to_groups(split, next, ring, follow);
      }
      __syncthreads();
    }
  }

 private:
  __device__ __forceinline__ group_copies<groups> copies_of_groups() const { return {lane}; }
  __device__ __forceinline__ exact_copies<P> copies_of_rows(split_type const& split) const {
    return exact_copies<P>::of(*args.layer.sequence(split.slot, split.kv_head).state, split.length,
                               split.window_begin, split.last, lane);
  }
  /// The page of a warp's first step; 0 where it has none of groups.
  __device__ __forceinline__ int first_page(split_type const& split, int of_warp) const {
    int const step = split.step + of_warp;
    if (split.none() || split.exact() || step >= split.last) return 0;
    return args.layer.page_table[split.pages + step / shape::group_steps];
  }
  /// Starts the first copies of a split.
  __device__ __forceinline__ void begin(split_type const& split, int page, ring_type& ring) const {
    int const step = split.step + warp;
    if (split.exact()) {
      ring.begin(copies_of_rows(split), step);
    } else {
      std::uint8_t const* const block =
          step < split.last ? block_on(args.layer, page, split.kv_head) : nullptr;
      ring.begin(copies_of_groups(), group_step{block, step});
    }
  }
  /// Where the blocks take about one split each, they begin in four turns: else all of them would
  /// wait for memory, then all compute, and so on to the end. A turn lasts as long as memory takes
  /// for its first steps.
  __device__ __forceinline__ void wait_for_turn(int splits) const {
    int const blocks = static_cast<int>(gridDim.x), own = static_cast<int>(blockIdx.x);
    if (!plan.in_turns || 2 * splits <= blocks || splits > blocks) return;
    constexpr int step_bytes = int{sizeof(group_block<P>)} / shape::group_steps;
    int const turn = blocks / 4 * warps * step_bytes / group_tuning{}.cycle_bytes;
    arch::pause(arch::quotient(4 * own, blocks) * turn);
  }
  /// The thread's number, where its rows and lines follow from it. With two sets, which have fewer
  /// warps and more registers each, asking anew spills more than it saves.
  __device__ __forceinline__ static int row_thread() {
    return Sets == 1 ? arch::thread_anew() : static_cast<int>(threadIdx.x);
  }
  /// With two planes of codes nothing is spilled where places that follow from lane and warp take
  /// no register between splits, or while the block is at the other kind of steps. Others gain
  /// nothing, or spill more.
  static constexpr bool finds_places_anew = [] {
    if constexpr (Sets != 1 || has_exact_groups<P>) {
      return false;
    } else {
      return group_shape<P>::key::codes::split || group_shape<P>::value::codes::split;
    }
  }();
  __device__ __forceinline__ split_loop afresh() const {
    if constexpr (!finds_places_anew) return *this;
    return {args, plan, shared, list, arch::fixed(lane), arch::fixed(warp)};
  }
  __device__ __forceinline__ static int store_thread(int thread) {
    return finds_places_anew ? arch::thread_anew() : thread;
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

  /// Looks the block's next split up, of thread 0's ticket, and gives the page of warp `lane`'s
  /// first step, which is on its way. requires warp 0 calls
  __device__ __forceinline__ int look_up(int ticket, split_type& next) const {
    list.find(__shfl_sync(detail::all_lanes, ticket, 0), next);
    __syncwarp();
    return lane < warps ? first_page(next, lane) : 0;
  }
  /// Lets the block's warps begin with what was looked up. requires warp 0 calls
  __device__ __forceinline__ void tell(int page) const {
    if (lane < warps) shared.pages[lane] = page;
    shared.known.raise();
  }

  /// Warp 0 looks the next split up before its last step, so that page numbers come meanwhile, and
  /// tells the others when it is done; `follow` is called once, when the warp has read all its
  /// steps.
  /// requires the ring has begun with the split
  template <class Follow>
  __device__ __forceinline__ void attend_to_groups(split_type const& split, split_type& next_split,
                                                   ring_type& ring, Follow const& follow) const {
    using scores_type = typename groups::scores;
    auto const copies = copies_of_groups();
    std::int32_t const* const pages = args.layer.page_table + split.pages;
    int const last = split.last;
    auto const page_of = [&](int step) {
      return step < last ? pages[step / shape::group_steps] : -1;
    };
    group_step now{nullptr, split.step + warp};
    int page = page_of(now.step + warps), ticket = 0, next_page = 0;
    seen_positions<shape::tile_rows, scores_type::own_rows> seen;
    seen.template find<scores_type>(args, split.queries(), lane);
    typename groups::sums sums;
    bool const leads = threadIdx.x == 0, few = now.step + warps >= last;
    if (leads && few) ticket = take_ticket();
#pragma unroll 1
    while (now.step < last) {
      group_step const next{page < 0 ? nullptr : block_on(args.layer, page, split.kv_head),
                            now.step + warps};
      page = page_of(next.step + warps);
      // Asked for as late as the answer still comes in time.
      if (leads && next.step < last && next.step + warps >= last) ticket = take_ticket();
      if (warp == 0 && next.step >= last && !few) next_page = look_up(ticket, next_split);
      scores_type scores = groups::score(ring.keys(copies, next), shared.group_query(), lane, args);
      ring.drop_keys(copies, next);
      int const begin = now.step * groups::tokens;
      bool const whole = seen.whole(begin, groups::tokens);
      if (__builtin_expect(!whole || cap() > 0, 0)) {
        if (cap() > 0) scores.soften(cap());
        seen.hide(scores, begin, args.options, lane);
      }
      sums.add(scores, ring.values(), lane);
      ring.drop_values(copies, next);
      now = next;
    }
    if (warp == 0) tell(few ? look_up(ticket, next_split) : next_page);
    follow();
    sums.finish();
    shared.exchange.put(sums, warp, lane);
  }
  /// The same of exact rows.
  template <class Follow>
  __device__ __forceinline__ void attend_to_rows(split_type const& split, split_type& next_split,
                                                 ring_type& ring, Follow const& follow) const {
    using scores_type = typename exact::scores;
    auto const copies = copies_of_rows(split);
    int const ticket = threadIdx.x == 0 ? take_ticket() : 0;
    bool const few = split.step + warps >= copies.last;
    int next_page = 0;
    seen_positions<shape::tile_rows, scores_type::own_rows> seen;
    seen.template find<scores_type>(args, split.queries(), lane);
    bool const all = seen.whole(0, split.length);
    typename exact::sums sums;
#pragma unroll 1
    for (int step = split.step + warp; step < copies.last; step += warps) {
      if (step == split.step + warps) next_page = look_up(ticket, next_split);  // warp 0's second
      scores_type scores =
          exact::score(ring.keys(copies, step + warps), shared.exact_query(), lane, args);
      ring.drop_keys(copies, step + warps);
      if (cap() > 0) scores.soften(cap());
      copies.hide(scores, seen, all, step, args.options);
      sums.add(scores, ring.values(), lane);
      ring.drop_values(copies, step + warps);
    }
    if (warp == 0) tell(few ? look_up(ticket, next_split) : next_page);
    follow();
    sums.finish();
    shared.exchange.put(sums, warp, lane);
  }
};

}  // namespace ott
