// A user's program: includes the umbrella, and with the device lane the runtime links too.
#include <cstdio>
#include <ott/ott.hpp>

#ifdef WITH_DEVICE
#include <ott/cuda/backend.hpp>
int runtime_version();
#endif

int main() {
  static_assert(ott::paper_policy::group == 128);
#ifdef WITH_DEVICE
  if (runtime_version() <= 0) return 1;
#endif
  std::puts("consumer: ok");
}
