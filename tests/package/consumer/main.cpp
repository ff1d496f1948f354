// A user's program: includes the umbrella; the device lane brings the runtime to a plain .cpp too.
#include <cstdio>
#include <ott/ott.hpp>

#ifdef WITH_DEVICE
#include <cuda_runtime_api.h>
#include <ott/cuda/backend.hpp>
bool device_half();
#endif

int main() {
  static_assert(ott::paper_policy::group == 128);
#ifdef WITH_DEVICE
  int version = 0;  // asking for it needs no GPU
  if (cudaRuntimeGetVersion(&version) != cudaSuccess || version <= 0) return 1;
  if (!device_half()) return 1;
#endif
  std::puts("consumer: ok");
}
