#pragma once

#include <vector>

#if defined(OTT_TEST_CUDA)
#include <cuda_runtime.h>
#endif

namespace ott_test {

#if defined(OTT_TEST_CUDA)

inline bool has_gpu() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

template <class T, class F>
__global__ void computed_kernel(F f, T* out, int count) {
  int const i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) out[i] = f(i);
}

#endif

/// f(0) .. f(count - 1), by the GPU in the CUDA lane where there is one, else here. So a test of a
/// function for both sides is written once.
template <class T, class F>
std::vector<T> computed(int count, F f) {
  std::vector<T> out(static_cast<std::size_t>(count));
#if defined(OTT_TEST_CUDA)
  if (has_gpu()) {
    T* device = nullptr;
    cudaMalloc(&device, out.size() * sizeof(T));
    computed_kernel<T><<<(count + 127) / 128, 128>>>(f, device, count);
    cudaError_t const done =
        cudaMemcpy(out.data(), device, out.size() * sizeof(T), cudaMemcpyDeviceToHost);
    cudaFree(device);
    if (done != cudaSuccess) out.clear();  // no test takes an empty answer for a right one
    return out;
  }
#endif
  for (int i = 0; i < count; ++i) out[static_cast<std::size_t>(i)] = f(i);
  return out;
}

}  // namespace ott_test
