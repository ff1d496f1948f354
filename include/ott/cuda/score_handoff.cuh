#pragma once

#include <cstdint>

#include <ott/core/macros.hpp>
#include <ott/cuda/arch/signal.cuh>

namespace ott {

/// Scores on their way from the warp that makes them to the one that sums with them, step by step:
/// each lane's to the same lane. When the last ones have been taken, what was summed lies there.
/// shape    Bytes: of one lane's scores at most
template <int Bytes, class Summed>
struct alignas(16) score_handoff {
  static_assert(Bytes % 16 == 0);
  union {
    uint4 words[Bytes / 16][32];
    Summed summed;
  };
  arch::signal full;   // n-th time: the n-th step's are there
  arch::signal empty;  // n-th time: they have been read

  /// requires one thread calls, and a barrier of the block before the first `put`
  __device__ __forceinline__ void prepare() {
    full.prepare();
    empty.prepare();
  }
  template <class Scores>
  __device__ __forceinline__ void put(int n, Scores const& scores, int lane) {
    auto const all = __builtin_bit_cast(pack<Scores>, scores);
    if (n > 0) empty.wait(n - 1);
    OTT_UNROLL
    for (int i = 0; i < pack<Scores>::count; ++i) words[i][lane] = all.words[i];
    full.raise();
  }
  template <class Scores>
  __device__ __forceinline__ Scores take(int n, int lane) {
    full.wait(n);
    pack<Scores> all;
    OTT_UNROLL
    for (int i = 0; i < pack<Scores>::count; ++i) all.words[i] = words[i][lane];
    empty.raise();
    return __builtin_bit_cast(Scores, all);
  }

 private:
  template <class Scores>
  struct pack {
    static constexpr int count = int{sizeof(Scores)} / 16;
    static_assert(sizeof(Scores) % 16 == 0 && sizeof(Scores) <= Bytes);
    uint4 words[count];
  };
};

}  // namespace ott
