#include "support/head_records.hpp"

namespace ott_bench {
namespace {

__global__ void headers_kernel(unsigned char* to, std::size_t to_pitch, unsigned char const* from,
                               std::size_t from_pitch, std::size_t count) {
  std::size_t const i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  *reinterpret_cast<uint4*>(to + i * to_pitch) =
      *reinterpret_cast<uint4 const*>(from + i * from_pitch);
}

}  // namespace

void copy_headers(void* to, std::size_t to_pitch, void const* from, std::size_t from_pitch,
                  std::size_t count, cudaStream_t s) {
  if (count == 0) return;
  constexpr unsigned threads = 128;
  unsigned const blocks = static_cast<unsigned>((count + threads - 1) / threads);
  headers_kernel<<<blocks, threads, 0, s>>>(static_cast<unsigned char*>(to), to_pitch,
                                            static_cast<unsigned char const*>(from), from_pitch,
                                            count);
  check(cudaGetLastError(), "headers_kernel");
}

}  // namespace ott_bench
