#include "support/random_rows.hpp"

namespace ott_bench {
namespace {

enum class kind { key, value, query };

__device__ std::uint32_t mix(std::uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

__device__ std::uint32_t hash(std::uint32_t seed, std::uint32_t a, std::uint32_t b) {
  return mix(mix(mix(seed) + a * 0x9e3779b9u) + b * 0x85ebca6bu);
}

/// A standard normal, from two hashes.
__device__ float normal(std::uint32_t x) {
  float const u = (static_cast<float>(x >> 8) + 0.5f) * 0x1p-24f;
  float const v = static_cast<float>(mix(x ^ 0x5bd1e995u) >> 8) * 0x1p-24f;
  return sqrtf(-2.0f * logf(u)) * cospif(2.0f * v);
}

template <kind Kind>
__device__ float element(std::uint32_t seed, std::uint32_t token, std::uint32_t column,
                         std::uint32_t head) {
  float const x = normal(hash(seed, token, column));
  if constexpr (Kind == kind::query) return 3.0f * x;
  if constexpr (Kind == kind::value) {
    float const scale = 0.2f * expf(0.4f * normal(hash(seed + 1, token, head)));
    return scale * x + 0.05f * normal(hash(seed + 2, column, 0));
  }
  float const outlier = hash(seed + 3, column, 1) % 40 == 0 ? 8.0f : 1.0f;
  float const scale = 0.3f * outlier * expf(0.7f * normal(hash(seed + 3, column, 2)));
  float const offset = 2.0f * normal(hash(seed + 3, column, 3));
  std::uint32_t const draw = hash(seed + 4, token, head);
  float const size =
      draw % 101 == 0 ? 0.02f + 0.06f * static_cast<float>(draw >> 16) * 0x1p-16f : 1.0f;
  return size * scale * (offset + x);
}

template <kind Kind>
__global__ void rows_kernel(ott::half* out, std::size_t first_row, std::size_t count, int heads,
                            int head_dim, std::uint32_t seed) {
  std::size_t const stride = std::size_t{gridDim.x} * blockDim.x;
  std::uint32_t const row_length = static_cast<std::uint32_t>(heads * head_dim);
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    auto const token = static_cast<std::uint32_t>(first_row + i / row_length);
    auto const column = static_cast<std::uint32_t>(i % row_length);
    out[i] = ott::from_float<ott::half>(
        element<Kind>(seed, token, column, column / static_cast<std::uint32_t>(head_dim)));
  }
}

template <kind Kind>
void make(ott::half* out, std::size_t first_row, int rows, int heads, int head_dim,
          std::uint32_t seed, cudaStream_t s) {
  std::size_t const count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(heads) *
                            static_cast<std::size_t>(head_dim);
  rows_kernel<Kind><<<4096, 256, 0, s>>>(out, first_row, count, heads, head_dim, seed);
  check(cudaGetLastError(), "rows_kernel");
}

}  // namespace

void random_keys(ott::half* out, std::size_t first_row, int rows, int heads, int head_dim,
                 std::uint32_t seed, cudaStream_t s) {
  make<kind::key>(out, first_row, rows, heads, head_dim, seed, s);
}

void random_values(ott::half* out, std::size_t first_row, int rows, int heads, int head_dim,
                   std::uint32_t seed, cudaStream_t s) {
  make<kind::value>(out, first_row, rows, heads, head_dim, seed, s);
}

void random_queries(ott::half* out, int rows, int heads, int head_dim, std::uint32_t seed,
                    cudaStream_t s) {
  make<kind::query>(out, 0, rows, heads, head_dim, seed, s);
}

}  // namespace ott_bench
