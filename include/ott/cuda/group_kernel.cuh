#pragma once

#include <cstdint>

#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/half_ring.cuh>
#include <ott/cuda/query_record.hpp>
#include <ott/cuda/runtime.cuh>
#include <ott/cuda/score_tile.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/tuning.hpp>
#include <ott/cuda/value_tile.cuh>

// Attention over quantized groups by integer tensor cores. A block takes splits one after another; its
// warps share a split's groups (warp w: groups w, w + warps, ..), each with its own ring of half-blocks
// that runs ahead into the next splits, and merge in their order when the split ends.
//
// Leaves the group lines of split_plan.hpp: line(sequence, rows, split, row, q_head) for every split of
// a sequence with few rows; out [D], not divided, in the rotated space; state {maximum in units of log2,
// -infinity where the split shows the row no token; sum}. Reads plan.line_begin, plan.run and, where P
// rotates keys, plan.rotated; not plan.work_begin.
namespace ott {

namespace detail {

/// What warps of a block leave for each other when a split ends.
template <class P, int Sets, int Warps>
struct group_exchange {
  static constexpr int rows = 4 * Sets, length = P::head_dim + 4;  // + 4: no bank conflicts
  float out[Warps][rows][length];
  float maximum[Warps][rows];
  float sum[Warps][rows];

  __device__ void put(group_accumulator<P, Sets> const& own, int warp, int lane) {
    constexpr int channels = group_shape<P>::lane_channels;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      int const row = 4 * set + lane % 4;
      OTT_UNROLL
      for (int i = 0; i < channels; i += 2) {
        int const channel = lane / 4 * channels + i;
        if (channels * 8 != P::head_dim && channel >= P::head_dim) continue;
        *reinterpret_cast<float2*>(&out[warp][row][channel]) = {own.out[set][i],
                                                                own.out[set][i + 1]};
      }
      if (lane < 4) maximum[warp][row] = own.maximum[set], sum[warp][row] = own.sum[set];
    }
  }
};

/// One tile of rows of a sequence, as a block holds it.
struct group_tile {
  int first;       // row of the batch where the sequence begins
  int rows;        // of the sequence
  int first_row;   // of the tile
  int kv_head;
  int length;      // tokens of the sequence
};

}  // namespace detail

/// requires Sets == 1 for up to 4 query heads a KV head, else 2; has_integer_groups<P>
template <class P, int Sets, class Tuning = default_group_tuning<P, Sets>>
__global__ void __launch_bounds__(32 * Tuning::get().warps, Tuning::get().blocks)
    group_kernel(attend_args<P> args, split_plan plan) {
  constexpr group_tuning tuning = Tuning::get();
  constexpr int tile_rows = 4 * Sets;
  using record = query_record<P, Sets>;
  using exchange_type = detail::group_exchange<P, Sets, tuning.warps>;
  using ring_type = half_ring<P, tuning.stages>;
  extern __shared__ __align__(128) unsigned char shared[];
  auto& query = *reinterpret_cast<record*>(shared);
  auto& exchange = *reinterpret_cast<exchange_type*>(shared + sizeof(record));
  unsigned char* const rings = shared + sizeof(record) + round_up(int{sizeof(exchange_type)}, 128);
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;

  group_list list(rings + tuning.warps * ring_type::bytes, args.batch.count);
  list.fill<P, tile_rows>(args, plan);
  int const total = list.begin[list.count];
  constexpr int quantum = split_rule<P>::least_groups;  // few blocks of equal work beat many unequal
  int const share = ceil_div(total, static_cast<int>(gridDim.x) * quantum) * quantum;
  int const from = static_cast<int>(blockIdx.x) * share;
  split_cursor<P> cursor(list, from, min(total, from + share));
  if (!cursor.valid()) return;

  ring_type ring(rings + warp * ring_type::bytes, lane);
  block_stream<P, tuning.warps> stream(args, list, cursor, warp);
  std::uint8_t const* ahead = stream.take(args, list);
  ring.fetch_key(ahead);
  ring.fetch_value(ahead);
  ahead = stream.take(args, list);

  int const per_kv = args.q_per_kv();
  float const cap = args.options.soft_cap * 1.4426950408889634f;
  int sequence = -1, unit = -1, lowest = 0, highest = 0, query_pos[Sets];
  detail::group_tile tile{};
  for (; cursor.valid(); cursor.next(list)) {
    if (cursor.sequence != sequence || cursor.unit != unit) {
      sequence = cursor.sequence, unit = cursor.unit;
      tile.first = args.batch.row_begin[sequence];
      tile.rows = args.batch.row_begin[sequence + 1] - tile.first;
      tile.kv_head = unit % args.layer.num_kv_heads;
      tile.first_row = unit / args.layer.num_kv_heads * tile_rows;
      tile.length =
          args.layer.sequence(args.batch.slot[sequence], tile.kv_head).state->length;
      float const scale = args.options.scale * 1.4426950408889634f;
      for (int i = thread; i < Sets * record::steps * 32; i += 32 * tuning.warps) {
        query.write(i / (record::steps * 32), i / 32 % record::steps, i % 32,
                    [&](int row, int channel) {
                      int const at = tile.first_row + row;
                      if (at >= tile.rows * per_kv || channel >= P::head_dim) return 0.0f;
                      int const q_row = tile.first + at / per_kv;
                      int const q_head = tile.kv_head * per_kv + at % per_kv;
                      if constexpr (P::key_rotation::identity) {
                        return args.q.load(q_row, q_head, channel) * scale;
                      } else {
                        std::int64_t const line = std::int64_t{q_row} * plan.num_q_heads + q_head;
                        return plan.rotated[line * P::head_dim + channel] * scale;
                      }
                    });
      }
      lowest = 0x7fffffff, highest = -1;
      for (int row = 0; row < tile_rows && tile.first_row + row < tile.rows * per_kv; ++row) {
        int const pos = args.position(tile.first, tile.rows, tile.first_row + row, tile.length);
        lowest = min(lowest, pos), highest = max(highest, pos);
      }
      OTT_UNROLL
      for (int set = 0; set < Sets; ++set) {
        int const row = min(tile.first_row + 4 * set + lane % 4, tile.rows * per_kv - 1);
        query_pos[set] = args.position(tile.first, tile.rows, row, tile.length);
      }
      __syncthreads();
    }
    group_accumulator<P, Sets> sums;
    int const last = cursor.last(list);
    for (int group = cursor.first(list) + warp; group < last; group += tuning.warps) {
      std::uint8_t const* const after = stream.take(args, list);
      ring.fetch_key(ahead);
      score_tile<P, Sets> scores(ring.take(), query, lane);
      ring.fetch_value(ahead);
      ahead = after;
      if (cap > 0) scores.soften(cap);
      int const begin = group * P::group, window = args.options.sliding_window;
      if (begin + P::group - 1 > lowest || (window > 0 && begin <= highest - window)) {
        scores.hide(lane, [&](int set, int token) {
          return !sees(args.options, query_pos[set], begin + token);
        });
      }
      sums.add(scores, ring.take(), lane);
    }
    sums.finish();
    exchange.put(sums, warp, lane);
    __syncthreads();
    constexpr int quads = P::head_dim / 4;
    for (int i = thread; i < tile_rows * quads; i += 32 * tuning.warps) {
      int const row = i / quads, at = tile.first_row + row;
      if (at >= tile.rows * per_kv) break;
      float top = exchange.maximum[0][row], sum = 0;
      OTT_UNROLL
      for (int w = 1; w < tuning.warps; ++w) top = fmaxf(top, exchange.maximum[w][row]);
      float4 out{0, 0, 0, 0};
      OTT_UNROLL
      for (int w = 0; w < tuning.warps; ++w) {
        float const weight = arch::exp2(exchange.maximum[w][row] - top);
        float4 const part = *reinterpret_cast<float4 const*>(&exchange.out[w][row][i % quads * 4]);
        sum += weight * exchange.sum[w][row];
        out.x += weight * part.x, out.y += weight * part.y;
        out.z += weight * part.z, out.w += weight * part.w;
      }
      std::int64_t const line = plan.line(sequence, tile.rows, cursor.split, at / per_kv,
                                          tile.kv_head * per_kv + at % per_kv);
      *reinterpret_cast<float4*>(plan.out + line * P::head_dim + i % quads * 4) = out;
      if (i % quads == 0) {
        *reinterpret_cast<float2*>(plan.state + 2 * line) = {
            sum > 0 ? top : __int_as_float(0xff800000), sum};
      }
    }
    __syncthreads();
  }
  arch::wait_copies<0>();
}

/// Starts the kernel for a call whose plan is made earlier on the stream. Capturable.
template <class P>
void launch_groups(attend_args<P> const& args, split_plan const& plan, cuda_stream s) {
  auto const start = [&]<int Sets>(std::integral_constant<int, Sets>) {
    constexpr group_tuning tuning = default_group_tuning<P, Sets>::get();
    static_assert(tuning.blocks > 0, "ott: a group of this policy does not fit shared memory");
    std::size_t const bytes =
        group_shared_bytes<P, Sets>(tuning) + group_list::bytes(args.batch.count);
    auto* const kernel = group_kernel<P, Sets>;
    int const blocks = resident_blocks("ott: group_kernel", kernel, 32 * tuning.warps, bytes);
    launch("ott: group_kernel", kernel, {blocks, 32 * tuning.warps, bytes}, s, args, plan);
  };
  if (args.q_per_kv() <= 4) {
    start(std::integral_constant<int, 1>{});
  } else {
    start(std::integral_constant<int, 2>{});
  }
}

}  // namespace ott
