#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/half_pair.cuh>
#include <ott/cuda/arch/matrix.cuh>
#include <ott/cuda/arch/mma.cuh>
#include <ott/cuda/arch/numeric.cuh>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/half_codes.cuh>
#include <ott/cuda/plane_sums.cuh>
#include <ott/cuda/row_lanes.cuh>
#include <ott/cuda/wide_scores.cuh>

// Values of eight query rows by fp16 tensor cores.
namespace ott {

/// Softmax state and output of up to eight rows, spread over a warp, in units of log2.
/// shape    lane l: rows 2 (l % 4) + i; out[t][2 s + i] is channel l / 4 * lane_channels + 2 t + s;
///          sum and shift are of this lane's tokens alone until `finish`
template <class P>
struct wide_sums {
  using shape = group_shape<P>;
  using plane = typename shape::value::codes::low_plane;
  using codes = detail::half_codes<plane>;

  float maximum[2] = {-1e30f, -1e30f};  // what weights are relative to: below the largest score
  float sum[2] = {0, 0};
  float shift[2] = {0, 0};  // what every channel gets (zero points)
  float limit = 15.0f;      // weights stay below 2^limit: they and their scaled selves fit fp16
  float out[shape::channel_tiles][4] = {};

  /// Adds one group: weights from scores, then weights times scale times codes.
  __device__ __forceinline__ void add(wide_scores<P>& scores, std::uint8_t const* value, int lane) {
    if constexpr (shape::has_marks) detail::hide_marked<shape>(scores.at, value, lane);
    heed_scales(value, lane);
    float x[2][shape::lane_tokens];
    int most[2] = {static_cast<int>(0x80000000), static_cast<int>(0x80000000)};
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      OTT_UNROLL
      for (int j = 0; j < shape::lane_tokens; j += 2) {
        x[i][j] = scores.logit(i, j, maximum[i]);
        x[i][j + 1] = scores.logit(i, j + 1, maximum[i]);
        // As integers floats are ordered where one of them is positive.
        most[i] = __vimax3_s32(most[i], __float_as_int(x[i][j]), __float_as_int(x[i][j + 1]));
      }
    }
    if (__any_sync(detail::all_lanes, max(most[0], most[1]) >= __float_as_int(limit))) {
      raise(scores);
      OTT_UNROLL
      for (int i = 0; i < 2; ++i) {
        OTT_UNROLL
        for (int j = 0; j < shape::lane_tokens; ++j) x[i][j] = scores.logit(i, j, maximum[i]);
      }
    }
    multiply(x, value, lane);
  }

  /// Makes sums whole, brings channels to their unit and adds the shift: the un-normalized output.
  __device__ __forceinline__ void finish() {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      detail::sum_row(sum[i], shift[i]);
    }
    OTT_UNROLL
    for (int k = 0; k < 4; ++k) {
      float others = 0;  // of the fields below, as they lie
      OTT_UNROLL
      for (int t = 0; t < shape::channel_tiles; ++t) {
        float const own = codes::own(t, out[t][k], others);
        out[t][k] = fmaf(own, detail::unit_weight<plane>(t) / detail::half_step, shift[k % 2]);
      }
    }
  }
  /// Leaves the warp's rows. shape rows [8][Length]; maxima, totals [8]
  template <int Length>
  __device__ __forceinline__ void store(float (&rows)[8][Length], float (&maxima)[8],
                                        float (&totals)[8], int lane) const {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      int const own = wide_scores<P>::own_row(lane, i), first = lane / 4 * shape::lane_channels;
      OTT_UNROLL
      for (int t = 0; t < shape::channel_tiles; ++t) {
        if (shape::lane_channels * 8 != P::head_dim && first + 2 * t >= P::head_dim) continue;
        *reinterpret_cast<float2*>(rows[own] + first + 2 * t) = {out[t][i], out[t][2 + i]};
      }
      if (lane < 4) maxima[own] = maximum[i], totals[own] = sum[i];
    }
  }

 private:
  static constexpr int fields = shape::has_value_zero ? 2 : 1;

  /// Where a scale is 2 or more, weights must stay smaller.
  __device__ __forceinline__ void heed_scales(std::uint8_t const* value, int lane) {
    constexpr int chunks = P::group * fields * 2 / 16;
    constexpr std::uint32_t mask = fields == 2 ? 0x00007fffu : 0x7fff7fffu;
    std::uint32_t most = 0;
    OTT_UNROLL
    for (int first = 0; first < chunks; first += 32) {
      if (first + 32 > chunks && first + lane >= chunks) continue;
      uint4 const w =
          detail::load_shared<uint4>(value + shape::value_params_at + (first + lane) * 16);
      most = __vimax3_u16x2(most, w.x & mask, w.y & mask);
      most = __vimax3_u16x2(most, w.z & mask, w.w & mask);
    }
    if (!__any_sync(detail::all_lanes, (most & 0x40004000u) != 0)) return;
    most = __vmaxu2(most, most >> 16) & 0xffffu;
    most = __reduce_max_sync(detail::all_lanes, most);
    limit = fminf(limit, 30.0f - static_cast<float>(most >> 10));
  }

  /// Moves what weights are relative to where one is above the limit.
  __device__ __forceinline__ void raise(wide_scores<P> const& scores) {
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      float top = -1e30f;
      OTT_UNROLL
      for (int j = 0; j < shape::lane_tokens; ++j) top = fmaxf(top, scores.logit(i, j));
      top = detail::largest_of_row(top);
      float const raised = top - maximum[i] < limit ? maximum[i] : top - (limit - 1.0f);
      float const keep = arch::exp2(maximum[i] - raised);
      maximum[i] = raised, sum[i] *= keep, shift[i] *= keep;
      OTT_UNROLL
      for (int t = 0; t < shape::channel_tiles; ++t) out[t][i] *= keep, out[t][2 + i] *= keep;
    }
  }

  /// Weights of 2^x, scaled and transposed, times codes, 32 tokens after another.
  __device__ __forceinline__ void multiply(float const (&x)[2][shape::lane_tokens],
                                           std::uint8_t const* value, int lane) {
    constexpr int steps = shape::token_steps;
    std::uint8_t const* const own =
        value + shape::value_params_at + lane / 4 * shape::lane_tokens * fields * 2;
    OTT_UNROLL
    for (int s = 0; s < steps; ++s) {
      float zero[4];
      std::uint32_t scale[4], b[4];
      read_params(own + s * 4 * fields * 2, scale, zero);
      OTT_UNROLL
      for (int j = 0; j < 4; ++j) {
        float p[2];
        OTT_UNROLL
        for (int i = 0; i < 2; ++i) {
          p[i] = arch::exp2(x[i][4 * s + j]);
          sum[i] += p[i];
          shift[i] = fmaf(p[i], zero[j], shift[i]);
        }
        b[j] = arch::transpose_8x8(arch::multiply_pair(arch::narrow<half>(p[0], p[1]), scale[j]));
      }
      OTT_UNROLL
      for (int first = 0; first < shape::channel_tiles; first += plane::tile_fields) {
        int const chunk =
            first / plane::tile_fields * (steps / plane::step_fields) + s / plane::step_fields;
        uint4 const w = detail::load_shared<uint4>(value + chunk * 512 + lane * 16);
        multiply_tokens(first, s, w.x, w.y, b[0], b[1]);
        multiply_tokens(first, s, w.z, w.w, b[2], b[3]);
      }
    }
  }
  /// Sixteen tokens: codes of rows below 8, and of those above.
  __device__ __forceinline__ void multiply_tokens(int first, int step_at, std::uint32_t low,
                                                  std::uint32_t high, std::uint32_t b0,
                                                  std::uint32_t b1) {
    std::uint32_t const x = codes::spread(low, false), y = codes::spread(high, false);
    std::uint32_t const z = codes::spread(low, true), w = codes::spread(high, true);
    OTT_UNROLL
    for (int tile = 0; tile < plane::tile_fields; ++tile) {
      auto const of = [&](std::uint32_t bytes) { return codes::pick(bytes, tile, step_at); };
      arch::mma_f16<half>(out[first + tile], uint4{of(x), of(y), of(z), of(w)}, b0, b1);
    }
  }

  /// Scale twice, and zero, of four tokens of this lane.
  __device__ __forceinline__ static void read_params(std::uint8_t const* at,
                                                     std::uint32_t (&scale)[4], float (&zero)[4]) {
    if constexpr (shape::has_value_zero) {
      uint4 const w = detail::load_shared<uint4>(at);
      std::uint32_t const words[4] = {w.x, w.y, w.z, w.w};
      OTT_UNROLL
      for (int j = 0; j < 4; ++j) {
        scale[j] = arch::twice_low(words[j]);
        zero[j] = arch::widen<half>(words[j]).y;
      }
    } else {
      uint2 const w = detail::load_shared<uint2>(at);
      std::uint32_t const words[2] = {w.x, w.y};
      OTT_UNROLL
      for (int j = 0; j < 4; ++j) {
        scale[j] = j % 2 == 0 ? arch::twice_low(words[j / 2]) : arch::twice_high(words[j / 2]);
        float2 const wide = arch::widen<half>(words[j / 2]);
        zero[j] = shape::value_zero_of_unit * (j % 2 == 0 ? wide.x : wide.y);
      }
    }
  }
};

}  // namespace ott
