// The device half of a user's program. Asking the runtime's version needs no GPU.
#include <cuda_runtime_api.h>

#include <ott/ott.cuh>

int runtime_version() {
  int version = 0;
  return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}
