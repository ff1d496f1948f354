#pragma once

namespace ott::arch {

/// Lets so many cycles of the multiprocessor's clock pass.
__device__ __forceinline__ void pause(int cycles) {
  long long const begin = clock64();
  while (clock64() - begin < cycles) {
  }
}

}  // namespace ott::arch
