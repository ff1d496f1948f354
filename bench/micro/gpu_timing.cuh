#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

// What the micro benches share: the read ceiling, buffers, medians over events.
namespace micro {

#define OTT_MICRO_CHECK(x)                                                  \
  do {                                                                      \
    cudaError_t const e = (x);                                              \
    if (e != cudaSuccess) {                                                 \
      std::printf("%s:%d %s\n", __FILE__, __LINE__, cudaGetErrorString(e)); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (0)

static __global__ void __launch_bounds__(512, 2)
    read_kernel(uint4 const* p, std::size_t n, float* out) {
  uint4 a{0, 0, 0, 0};
  std::size_t const stride = std::size_t{gridDim.x} * blockDim.x;
  std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (; i + 7 * stride < n; i += 8 * stride) {
    uint4 v[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) v[k] = __ldcs(p + i + k * stride);
#pragma unroll
    for (int k = 0; k < 8; ++k) a.x ^= v[k].x, a.y ^= v[k].y, a.z ^= v[k].z, a.w ^= v[k].w;
  }
  for (; i < n; i += stride) {
    uint4 const v = __ldcs(p + i);
    a.x ^= v.x, a.y ^= v.y, a.z ^= v.z, a.w ^= v.w;
  }
  if ((a.x ^ a.y ^ a.z ^ a.w) == 0x12345678u) out[0] = 1;
}

static __global__ void spread_kernel(uint4 const* from, uint4* to, std::size_t period,
                                     std::size_t n) {
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::size_t{gridDim.x} * blockDim.x) {
    to[i] = from[i % period];
  }
}

template <class T>
T* to_device(std::vector<T> const& v) {
  void* p = nullptr;
  OTT_MICRO_CHECK(cudaMalloc(&p, v.size() * sizeof(T)));
  OTT_MICRO_CHECK(cudaMemcpy(p, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice));
  return static_cast<T*>(p);
}

template <class F>
double median_us(F const& f, int reps) {
  cudaStream_t s;
  cudaEvent_t a, b;
  OTT_MICRO_CHECK(cudaStreamCreate(&s));
  OTT_MICRO_CHECK(cudaEventCreate(&a));
  OTT_MICRO_CHECK(cudaEventCreate(&b));
  std::vector<float> times;
  for (int i = 0; i < reps + 5; ++i) {
    OTT_MICRO_CHECK(cudaEventRecord(a, s));
    f(i, s);
    OTT_MICRO_CHECK(cudaEventRecord(b, s));
    OTT_MICRO_CHECK(cudaEventSynchronize(b));
    float ms = 0;
    OTT_MICRO_CHECK(cudaEventElapsedTime(&ms, a, b));
    if (i >= 5) times.push_back(ms * 1e3f);
  }
  OTT_MICRO_CHECK(cudaStreamDestroy(s));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace micro
