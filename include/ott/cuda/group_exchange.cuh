#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/barrier.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_work.cuh>
#include <ott/cuda/split_plan.hpp>
#include <ott/cuda/value_tile.cuh>

namespace ott {

/// What the warps of a block leave for each other when a split ends, and where its lines go. One warp,
/// another for each split, merges them in their order; the others go on with the next split.
/// shape    offset: of a row's line in its split, in lines; -1 past the last row
template <class P, int Sets, int Warps>
struct alignas(128) group_exchange {
  static constexpr int rows = 4 * Sets, length = P::head_dim + 4;  // + 4: no bank conflicts
  float out[Warps][rows][length];
  alignas(16) float maximum[rows][Warps];
  alignas(16) float sum[rows][Warps];
  int offset[rows];

  /// Finds the lines of a tile. requires a barrier before `leave`
  __device__ __forceinline__ void place(attend_args<P> const& args, group_list<rows, Warps> const& list,
                                        split_cursor<rows, Warps> const& at, int thread) {
    if (thread >= rows) return;
    int const per_kv = args.q_per_kv(), row = at.tile * rows + thread;
    bool const used = row < list.rows(at.sequence) * per_kv;
    offset[thread] =
        used ? row / per_kv * args.num_q_heads + at.kv_head * per_kv + row % per_kv : -1;
  }
  /// A split ends: leaves this warp's part, and merges all if it is this warp's turn.
  /// requires every warp calls, split after split; line: the split's first, in rows
  __device__ __forceinline__ void add(group_accumulator<P, Sets> const& own, split_plan const& plan,
                                      int line, bool first, bool mine, bool was_mine, int warp,
                                      int lane) {
    constexpr int full = 1, empty = 2, threads = 32 * Warps;
    if (!first && !was_mine) arch::wait_barrier<empty, threads>();
    put(own, warp, lane);
    if (!mine) return arch::arrive_barrier<full, threads>();
    arch::wait_barrier<full, threads>();
    leave(plan, line, lane);
    arch::arrive_barrier<empty, threads>();
  }

 private:
  __device__ __forceinline__ void put(group_accumulator<P, Sets> const& own, int warp, int lane) {
    constexpr int channels = group_shape<P>::lane_channels, width = channels % 4 == 0 ? 4 : 2;
    OTT_UNROLL
    for (int set = 0; set < Sets; ++set) {
      float* const row = out[warp][4 * set + lane % 4] + lane / 4 * channels;
      OTT_UNROLL
      for (int i = 0; i < channels; i += width) {
        if (channels * 8 != P::head_dim && lane / 4 * channels + i >= P::head_dim) continue;
        float const(&x)[channels] = own.out[set];
        if constexpr (width == 4) {
          *reinterpret_cast<float4*>(row + i) = {x[i], x[i + 1], x[i + 2], x[i + 3]};
        } else {
          *reinterpret_cast<float2*>(row + i) = {x[i], x[i + 1]};
        }
      }
      if (lane < 4) {
        maximum[4 * set + lane][warp] = own.maximum[set];
        sum[4 * set + lane][warp] = own.sum[set];
      }
    }
  }
  __device__ __forceinline__ void leave(split_plan const& plan, int line, int lane) const {
    constexpr int quads = P::head_dim / 4;
    OTT_UNROLL
    for (int first = 0; first < rows * quads; first += 32) {
      int const i = first + lane, row = i / quads, quad = i % quads;
      if (i >= rows * quads || offset[row] < 0) continue;
      float weight[Warps], top = maximum[row][0], total = 0;
      OTT_UNROLL
      for (int w = 1; w < Warps; ++w) top = fmaxf(top, maximum[row][w]);
      OTT_UNROLL
      for (int w = 0; w < Warps; ++w) {
        weight[w] = arch::exp2(maximum[row][w] - top);
        total += weight[w] * sum[row][w];
      }
      float4 x{0, 0, 0, 0};
      OTT_UNROLL
      for (int w = 0; w < Warps; ++w) {
        float4 const part = *reinterpret_cast<float4 const*>(out[w][row] + 4 * quad);
        x.x += weight[w] * part.x, x.y += weight[w] * part.y;
        x.z += weight[w] * part.z, x.w += weight[w] * part.w;
      }
      std::int64_t const at = std::int64_t{line} * plan.num_q_heads + offset[row];
      *reinterpret_cast<float4*>(plan.out + at * P::head_dim + 4 * quad) = x;
      if (quad == 0) {
        *reinterpret_cast<float2*>(plan.state + 2 * at) = {
            total > 0 ? top : __int_as_float(0xff800000), total};
      }
    }
  }
};

}  // namespace ott
