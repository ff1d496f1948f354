#pragma once

#include <cstdint>
#include <type_traits>

#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_exchange.cuh>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/half_ring.cuh>
#include <ott/cuda/query_record.hpp>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/score_tile.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/tuning.hpp>
#include <ott/cuda/value_tile.cuh>

// Attention over quantized groups by integer tensor cores. A block takes splits one after another;
// its warps share a split's groups (warp w: groups w, w + warps, ..), each with its own ring of
// half-blocks that runs ahead into the next splits, and merge in their order when the split ends.
//
// Leaves the group lines of split_plan.hpp: line(sequence, rows, split, row, q_head) for every
// split of a sequence with few rows; out [D], not divided, in the rotated space; state {maximum in
// units of log2, -infinity where the split shows the row no token; sum}. Reads plan.line_begin,
// plan.run and, where P rotates keys, plan.rotated; not plan.work_begin.
namespace ott {

/// requires Sets == 1 for up to 4 query heads a KV head, else 2; has_integer_groups<P>
template <class P, int Sets, class Tuning = default_group_tuning<P, Sets>>
__global__ void __launch_bounds__(32 * Tuning::get().warps, Tuning::get().blocks)
    group_kernel(attend_args<P> const args, split_plan const plan) {
  constexpr group_tuning tuning = Tuning::get();
  constexpr int tile_rows = 4 * Sets, threads = 32 * tuning.warps;
  using record = query_record<P, Sets>;
  using exchange_type = group_exchange<P, Sets, tuning.warps>;
  using ring_type = half_ring<P, tuning.stages>;
  using rows_type = query_rows<P, Sets, threads>;
  extern __shared__ __align__(128) unsigned char shared[];
  auto& query = *reinterpret_cast<record*>(shared);
  auto& exchange = *reinterpret_cast<exchange_type*>(shared + sizeof(record));
  unsigned char* const rings = shared + sizeof(record) + sizeof(exchange_type);
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  int const heads = args.layer.num_kv_heads, per_kv = args.q_per_kv();

  using list_type = group_list<tile_rows, tuning.warps>;
  using cursor_type = split_cursor<tile_rows, tuning.warps>;
  list_type list(rings + tuning.warps * ring_type::bytes, args.batch.count);
  list.template fill<P>(args, plan);
  int const total = list[list.count].begin;
  int const quantum =
      split_cost<tuning.warps>(list[list.count].run);  // equal work beats more blocks
  int const share = ceil_div(total, static_cast<int>(gridDim.x) * quantum) * quantum;
  int const from = static_cast<int>(blockIdx.x) * share;
  cursor_type cursor(list, heads, per_kv, from, min(total, from + share));
  if (!cursor.valid()) return;

  ring_type ring(rings + warp * ring_type::bytes, lane);
  block_stream<P, tile_rows, tuning.warps> stream(list, heads, per_kv, cursor, warp);
  block_place const first = stream.take(args.layer, list, per_kv);
  block_place ahead = stream.take(args.layer, list, per_kv);
  rows_type rows;
  rows.load(args, plan, list, cursor, thread);
  std::uint8_t const* now = first.in(args.layer);
  ring.begin(now);
  rows.store(query, thread);

  float const cap = args.options.soft_cap * 1.4426950408889634f;
  seen_positions<Sets> seen;
  bool fresh = true;
  while (cursor.valid()) {
    if (fresh) {
      seen.find(args, list, cursor, lane);
      exchange.place(args, list, cursor, thread);
      __syncthreads();
    }
    cursor_type following = cursor;
    following.next(list, heads, per_kv);
    fresh = following.valid() && !following.same_tile(cursor);
    if constexpr (rows_type::early) {
      if (fresh) rows.load(args, plan, list, following, thread);
    }
    group_accumulator<P, Sets> sums;
    int const last = cursor.last(list);
    for (int group = cursor.group + warp; group < last; group += tuning.warps) {
      std::uint8_t const* const next = ahead.in(args.layer);
      ahead = stream.take(args.layer, list, per_kv);
      score_tile<P, Sets> scores(ring.take_key(now, next), query, lane);
      int const begin = group * P::group;
      bool const whole = begin + P::group - 1 <= seen.lowest && begin > seen.horizon;
      if (!whole || cap > 0) {  // rare: kept out of the way
        if (cap > 0) scores.soften(cap);
        scores.hide(lane, [&](int set, int token) {
          return !sees(args.options, seen.own[set], begin + token);
        });
      }
      sums.add(scores, ring.take_value(now, next), lane);
      now = next;
    }
    sums.finish();
    exchange.put(sums, warp, lane);
    __syncthreads();
    exchange.leave(plan, list[cursor.sequence].line + cursor.split * list.rows(cursor.sequence),
                   thread);
    if (fresh) {
      if constexpr (!rows_type::early) rows.load(args, plan, list, following, thread);
      rows.store(query, thread);
    }
    __syncthreads();
    cursor = following;
  }
  arch::wait_copies<0>();
}

/// Starts the kernel for a call whose plan is made earlier on the stream. Capturable.
template <class P>
void launch_groups(attend_args<P> const& args, split_plan const& plan, cuda_stream s) {
  auto const start = [&]<int Sets>(std::integral_constant<int, Sets>) {
    constexpr group_tuning tuning = default_group_tuning<P, Sets>::get();
    static_assert(tuning.blocks > 0, "ott: a group of this policy does not fit shared memory");
    int const list = group_list<4 * Sets, tuning.warps>::bytes(args.batch.count);
    int const bytes = group_shared_bytes<P, Sets>(tuning) + list;
    int const room = default_group_tuning<P, Sets>::shared_bytes / (bytes + 1024);
    int const blocks = room < 1 ? 1 : room < tuning.blocks ? room : tuning.blocks;
    launch("ott: group_kernel", group_kernel<P, Sets>,
           {std::int64_t{blocks} * device_attribute(cudaDevAttrMultiProcessorCount),
            32 * tuning.warps, static_cast<std::size_t>(bytes)},
           s, args, plan);
  };
  if (args.q_per_kv() <= 4) {
    start(std::integral_constant<int, 1>{});
  } else {
    start(std::integral_constant<int, 2>{});
  }
}

}  // namespace ott
