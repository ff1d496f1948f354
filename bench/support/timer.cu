#include "support/timer.hpp"

#include <algorithm>
#include <cstdlib>

namespace ott_bench {
namespace {

/// One thread that asks for the time now and then: next to no power.
__global__ void rest_kernel(unsigned long long ns) {
  auto const now = [] {
    unsigned long long t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
  };
  unsigned long long const begin = now();
  while (now() - begin < ns) __nanosleep(1000);
}

}  // namespace

void rest(cudaStream_t s, double us) {
  static bool const back_to_back = std::getenv("OTT_BENCH_BACK_TO_BACK") != nullptr;
  if (us <= 0 || back_to_back) return;
  rest_kernel<<<1, 1, 0, s>>>(static_cast<unsigned long long>(1e3 * us));
  check(cudaGetLastError(), "rest_kernel");
}

timing summarize(std::vector<double> us, int parts) {
  std::sort(us.begin(), us.end());
  auto const at = [&](double share) {
    return us[static_cast<std::size_t>(share * static_cast<double>(us.size() - 1) + 0.5)] / parts;
  };
  return {at(0.5), at(0.1), at(0.9), static_cast<int>(us.size())};
}

}  // namespace ott_bench
