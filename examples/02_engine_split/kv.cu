// The only file of the engine that nvcc compiles: one explicit instance a policy.
// [instance]
#include <ott/cuda/backend.cuh>
#include "kv.hpp"
template struct ott::cuda_backend<chat_kv>;
// [instance]

bool has_gpu() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}
