#pragma once

#include <cstdint>

#include <ott/cuda/attend_args.hpp>
#include <ott/cuda/group_shape.hpp>
#include <ott/cuda/integer_steps.cuh>
#include <ott/cuda/wide_query.hpp>
#include <ott/cuda/wide_scores.cuh>
#include <ott/cuda/wide_sums.cuh>

namespace ott {

/// How a warp attends with eight rows at once to quantized groups, one a step, by fp16 tensor
/// cores.
template <class P>
struct wide_steps {
  using shape = group_shape<P>;
  static constexpr int a_group = 1;  // steps
  static constexpr int tokens = P::group;
  using query = wide_query<P>;
  using scores = wide_scores<P>;
  using sums = wide_sums<P>;

  __device__ __forceinline__ static scores score(std::uint8_t const* keys, query const& q, int lane,
                                                 attend_args<P> const&) {
    return scores(keys, q, lane);
  }
  __device__ __forceinline__ static void copy_keys(std::uint8_t* to, std::uint8_t const* block,
                                                   int step, int lane) {
    integer_steps<P, 2>::copy_keys(to, block, step, lane);
  }
  __device__ __forceinline__ static void copy_values(std::uint8_t* to, std::uint8_t const* block,
                                                     int step, int lane) {
    integer_steps<P, 2>::copy_values(to, block, step, lane);
  }
};

}  // namespace ott
