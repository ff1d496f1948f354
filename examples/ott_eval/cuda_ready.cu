#include "instance.hpp"

#include <ott/cuda/runtime.cuh>

namespace eval {

bool cuda_ready() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

}  // namespace eval
