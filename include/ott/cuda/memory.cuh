#pragma once

#include <cstddef>
#include <string>

#include <ott/cuda/runtime.cuh>

namespace ott {

/// Device memory. Throws errc::capacity when there is none left.
inline void* allocate_device(std::size_t bytes) {
  void* p = nullptr;
  cudaError_t const status = cudaMalloc(&p, bytes);
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // reported here, not by the next launch
    std::size_t available = 0;
    std::size_t total = 0;
    (void)cudaMemGetInfo(&available, &total);
    fail(errc::capacity, "ott::cuda_backend::allocate", "bytes", std::to_string(bytes),
         "at most the device's free " + std::to_string(available));
  }
  check(status, "ott::cuda_backend::allocate");
  return p;
}

/// Never throws: destructors call it, also after the device has failed.
inline void deallocate_device(void* p) noexcept { (void)cudaFree(p); }

inline void copy_memory(void* to, void const* from, std::size_t bytes, cuda_stream s) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, s), "ott::cuda_backend::copy");
}

inline void fill_memory(void* to, int byte, std::size_t bytes, cuda_stream s) {
  check(cudaMemsetAsync(to, byte, bytes, s), "ott::cuda_backend::fill");
}

inline void wait_for(cuda_stream s) { check(cudaStreamSynchronize(s), "ott::cuda_backend::wait"); }

}  // namespace ott
