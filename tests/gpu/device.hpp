#pragma once
/// What only a .cu can ask.

#include <ott/cuda/runtime.cuh>

namespace ott_test {

inline bool has_device() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

}  // namespace ott_test
