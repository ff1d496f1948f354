#pragma once

#include "llama/device.hpp"

#include <cstdint>

#include <ott/core/scalar.hpp>
#include <ott/cuda/runtime.cuh>

// The small kernels around cuBLAS and ott: what they do is said in host_device.hpp.
namespace llama {

/// The sum, or the greater by `better`, of one value a thread; every thread gets it.
/// requires blockDim.x a multiple of 32, at most 1024; every thread calls
template <class T, class Join>
__device__ T joined(T mine, Join const& join) {
  __shared__ T of_warp[32];
  for (int step = 16; step > 0; step /= 2) {
    T other = mine;
    if constexpr (sizeof(T) == 8) {
      auto const words = ott::bit_cast<unsigned long long>(mine);
      other = ott::bit_cast<T>(__shfl_xor_sync(~0u, words, step));
    } else {
      other = __shfl_xor_sync(~0u, mine, step);
    }
    mine = join(mine, other);
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  T all = of_warp[0];
  for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) all = join(all, of_warp[warp]);
  return all;
}

__device__ inline float sum_of(float mine) {
  return joined(mine, [](float a, float b) { return a + b; });
}

/// One block a row: to[row] = from[index[row]].
template <class From, class To>
__global__ void gather_kernel(From const* from, int const* index, To* to, int width) {
  std::int64_t const row = blockIdx.x;
  From const* const source = from + std::int64_t{index[row]} * width;
  for (int i = static_cast<int>(threadIdx.x); i < width; i += static_cast<int>(blockDim.x)) {
    to[row * width + i] = ott::from_float<To>(ott::to_float(source[i]));
  }
}

/// One block a row.
template <class T>
__global__ void add_norm_kernel(float* x, float const* y, float const* weight, float eps, T* normed,
                                int width) {
  std::int64_t const first = std::int64_t{blockIdx.x} * width;
  float squares = 0;
  for (int i = static_cast<int>(threadIdx.x); i < width; i += static_cast<int>(blockDim.x)) {
    float value = x[first + i];
    if (y != nullptr) x[first + i] = value += y[first + i];
    squares += value * value;
  }
  float const scale = 1.0f / sqrtf(sum_of(squares) / static_cast<float>(width) + eps);
  for (int i = static_cast<int>(threadIdx.x); i < width; i += static_cast<int>(blockDim.x)) {
    normed[first + i] = ott::from_float<T>(x[first + i] * scale * weight[i]);
  }
}

/// One block a row and head (queries, keys, values in that order), one thread a pair of channels.
template <class T>
__global__ void split_heads_kernel(float const* qkv, float const* bias, int const* positions,
                                   float const* frequencies, qkv_shape shape, T* q, T* k, T* v) {
  int const heads = shape.num_heads + 2 * shape.num_kv_heads;
  std::int64_t const row = blockIdx.x / heads;
  int head = static_cast<int>(blockIdx.x % heads);
  int const half_dim = shape.head_dim / 2;
  int const i = static_cast<int>(threadIdx.x);
  int const at = head * shape.head_dim + i;
  float const* const from = qkv + row * heads * shape.head_dim;
  float a = from[at] + (bias != nullptr ? bias[at] : 0.0f);
  float b = from[at + half_dim] + (bias != nullptr ? bias[at + half_dim] : 0.0f);
  if (head < shape.num_heads + shape.num_kv_heads) {
    float const angle = static_cast<float>(positions[row]) * frequencies[i];
    float const cosine = cosf(angle);
    float const sine = sinf(angle);
    float const turned = a * cosine - b * sine;
    b = b * cosine + a * sine;
    a = turned;
  }
  T* to = q;
  int width = shape.num_heads;
  if (head >= shape.num_heads) {
    head -= shape.num_heads;
    width = shape.num_kv_heads;
    to = head < width ? k : v;
    head %= width;
  }
  T* const out = to + (row * width + head) * shape.head_dim + i;
  out[0] = ott::from_float<T>(a);
  out[half_dim] = ott::from_float<T>(b);
}

/// Uniform noise in [-reach, reach), a hash of place and seed.
template <class T>
__global__ void random_kernel(T* to, std::int64_t count, float reach, std::uint32_t seed) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  std::uint64_t x = (static_cast<std::uint64_t>(seed) << 40) + static_cast<std::uint64_t>(i);
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
  auto const bits = static_cast<float>((x >> 33) & 0xffffff);
  to[i] = ott::from_float<T>(reach * (bits * (2.0f / (1 << 24)) - 1.0f));
}

template <class T>
__global__ void narrow_kernel(T const* from, ott::half* to, std::int64_t count) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) to[i] = ott::from_float<ott::half>(ott::to_float(from[i]));
}

template <class T>
__global__ void silu_kernel(float const* gate_up, T* out, std::int64_t count, int width) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float const* const gate = gate_up + i / width * 2 * width + i % width;
  out[i] = ott::from_float<T>(gate[0] / (1.0f + expf(-gate[0])) * gate[width]);
}

struct ranked_logit {
  float logit;
  int id;
};

/// One block a row of logits.
inline __global__ void score_kernel(float const* logits, int const* targets, token_score* scores,
                                    int vocab) {
  float const* const row = logits + std::int64_t{blockIdx.x} * vocab;
  ranked_logit mine{row[0], 0};
  for (int i = static_cast<int>(threadIdx.x); i < vocab; i += static_cast<int>(blockDim.x)) {
    if (row[i] > mine.logit) mine = {row[i], i};
  }
  ranked_logit const best = joined(mine, [](ranked_logit a, ranked_logit b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id) ? a : b;
  });
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < vocab; i += static_cast<int>(blockDim.x)) {
    sum += expf(row[i] - best.logit);
  }
  sum = sum_of(sum);
  if (threadIdx.x == 0) {
    scores[blockIdx.x] = {logf(sum) + best.logit - row[targets[blockIdx.x]], best.id};
  }
}

}  // namespace llama
