#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/kept_store.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/query_rows.cuh>
#include <ott/cuda/split_plan.hpp>

namespace ott {

/// Where one warp leaves what it has summed of a tile's rows.
template <class P, int Sets>
struct alignas(16) summed_rows {
  static constexpr int rows = 4 * Sets, length = P::head_dim + 4;  // + 4: no bank conflicts
  float at[rows][length];
};

/// How the warps of a block leave a split's lines together; its sums lie elsewhere, warp by warp.
/// shape    offset: of a row's line from the split's first, in lines; -1 past the last row
template <class P, int Sets, int Warps>
struct line_exchange {
  static constexpr int rows = 4 * Sets;
  float maximum[Warps][rows];
  float sum[Warps][rows];
  int offset[rows];

  /// Finds the lines of a tile. requires a barrier before `leave`
  __device__ __forceinline__ void place(attend_args<P> const& args, split_plan const& plan,
                                        query_tile const& tile, int thread) {
    if (thread >= rows) return;
    int const per_kv = args.q_per_kv(), row = tile.tile * rows + thread;
    int const q_row = args.query_row(row);
    bool const used = row < tile.rows * per_kv;
    offset[thread] = used ? q_row * plan.row_lines() * args.num_q_heads + tile.kv_head * per_kv +
                                row - q_row * per_kv
                          : -1;
  }
  /// Leaves what a warp has summed. requires finished sums
  template <class Sums>
  __device__ __forceinline__ void put(Sums const& own, summed_rows<P, Sets>& out, int warp,
                                      int lane) {
    own.store(out.at, maximum[warp], sum[warp], lane);
  }
  /// Merges the warps in their order, out_of(w) being what warp w has left.
  /// requires a barrier since `put`; line: the split's first, in rows
  template <class OutOf>
  __device__ __forceinline__ void leave(split_plan const& plan, int line, int thread,
                                        OutOf const& out_of) const {
    constexpr int quads = P::head_dim / 4;
    OTT_UNROLL
    for (int first = 0; first < rows * quads; first += 32 * Warps) {
      int const i = first + thread, row = i / quads, quad = i % quads;
      if (i >= rows * quads || offset[row] < 0) continue;
      float top = maximum[0][row], total = 0;
      OTT_UNROLL
      for (int w = 1; w < Warps; ++w) top = fmaxf(top, maximum[w][row]);
      float4 x{0, 0, 0, 0};
      OTT_UNROLL
      for (int w = 0; w < Warps; ++w) {
        float const weight = arch::exp2(maximum[w][row] - top);
        float4 const part = *reinterpret_cast<float4 const*>(out_of(w).at[row] + 4 * quad);
        total += weight * sum[w][row];
        x.x += weight * part.x, x.y += weight * part.y;
        x.z += weight * part.z, x.w += weight * part.w;
      }
      std::int64_t const at = std::int64_t{line} * plan.num_q_heads + offset[row];
      arch::store_kept(reinterpret_cast<float4*>(plan.out + at * P::head_dim + 4 * quad), x);
      if (quad == 0) {
        arch::store_kept(reinterpret_cast<float2*>(plan.state + 2 * at),
                         {total > 0 ? top : __int_as_float(0xff800000), total});
      }
    }
  }
};

/// The same with the sums' own place.
template <class P, int Sets, int Warps>
struct alignas(128) group_exchange : line_exchange<P, Sets, Warps> {
  using base = line_exchange<P, Sets, Warps>;
  summed_rows<P, Sets> out[Warps];

  template <class Sums>
  __device__ __forceinline__ void put(Sums const& own, int warp, int lane) {
    base::put(own, out[warp], warp, lane);
  }
  __device__ __forceinline__ void leave(split_plan const& plan, int line, int thread) const {
    base::leave(
        plan, line, thread, [&](int w) -> auto const& { return out[w]; });
  }
};

}  // namespace ott
