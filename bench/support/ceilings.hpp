#pragma once

#include <cstddef>
#include <map>

#include "support/device.hpp"
#include "support/timer.hpp"

namespace ott_bench {

/// What the memory gives: kernels that do nothing but read or copy with 16-byte accesses, timed
/// like the rows that are held against them: same number of bytes, as many working sets.
class ceilings {
 public:
  explicit ceilings(cudaStream_t s) : stream_{s} {}

  /// Microseconds of reading `bytes`.
  double read_us(double bytes);
  /// Microseconds of copying: half of `bytes` is read, half written.
  double copy_us(double bytes);
  /// Reads `bytes` once, enqueued: also used to empty the L2.
  void read(double bytes);

 private:
  template <class Launch>
  double best_of(double bytes, std::map<std::size_t, double>& known, Launch const& launch);
  unsigned char* reserve(std::size_t bytes);

  cudaStream_t stream_;
  device_array<unsigned char> memory_;
  device_array<float> sink_{1};
  std::map<std::size_t, double> read_;
  std::map<std::size_t, double> copy_;
};

}  // namespace ott_bench
