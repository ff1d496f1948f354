#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

#include <cuda_runtime.h>

// The CUDA runtime as the benchmarks use it: errors throw, memory and streams give themselves back.
namespace ott_bench {

inline void check(cudaError_t status, char const* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

/// Device memory, contents unspecified.
template <class T>
class device_array {
 public:
  device_array() = default;
  explicit device_array(std::size_t size) : size_{size} {
    void* p = nullptr;
    if (size > 0) check(cudaMalloc(&p, size * sizeof(T)), "cudaMalloc");
    data_ = static_cast<T*>(p);
  }
  device_array(device_array&& other) noexcept { swap(other); }
  device_array& operator=(device_array&& other) noexcept {
    swap(other);
    return *this;
  }
  ~device_array() { (void)cudaFree(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  void swap(device_array& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A stream of our own, which does not wait for the default one.
class device_stream {
 public:
  device_stream() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  device_stream(device_stream const&) = delete;
  ~device_stream() { (void)cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }  // NOLINT: it is one
  void wait() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  cudaStream_t stream_ = nullptr;
};

inline int device_attribute(cudaDeviceAttr attribute) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, attribute, 0), "cudaDeviceGetAttribute");
  return value;
}

/// Copies of one working set so that 64 times the L2 is touched between two uses of any: however
/// the L2 chooses what to keep, no more than a 64th of what a call reads can be there from the last
/// time.
inline int working_sets(double bytes) {
  double const between = 64.0 * device_attribute(cudaDevAttrL2CacheSize);
  int const others = static_cast<int>(between / bytes) + 1;
  return 1 + (others < 512 ? others : 512);
}

}  // namespace ott_bench
