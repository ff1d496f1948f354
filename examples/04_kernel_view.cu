// A foreign kernel reads the cache's bytes through its views, without our containers.
#include <cmath>
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>
#include <ott/ott.hpp>

using policy = ott::paper_policy;

// [kernel]
/// Mean |key| of every flushed group of one KV head, as the codes read. One block a group.
__global__ void mean_abs_key(ott::layer_view<policy> layer, int slot, int kv_head, float* out) {
  ott::sequence_view<policy> const sequence = layer.sequence(slot, kv_head);
  ott::group_block<policy> const& group = sequence.block(static_cast<int>(blockIdx.x));
  float sum = 0;
  for (int token = 0; token < policy::group; ++token) {
    sum += fabsf(group.key(token, static_cast<int>(threadIdx.x)));  // one thread a channel
  }
  atomicAdd(&out[blockIdx.x], sum / (policy::group * policy::head_dim));
}
// [kernel]

// Memory that host and device both see, so that the host backend can fill it. An engine with
// ott::cuda_backend gets the same views over device memory.
void* allocate(void*, std::size_t bytes) {
  void* p = nullptr;
  if (cudaMallocManaged(&p, bytes) != cudaSuccess) throw ott::error{ott::errc::device, "memory"};
  return p;
}
void deallocate(void*, void* p, std::size_t) { cudaFree(p); }

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return 77;  // skipped
  constexpr int tokens = 300, heads = 2, dim = policy::head_dim;
  ott::host_stream const stream;
  ott::cache<policy, ott::host_backend<policy>> cache{
      {.num_kv_heads = heads, .max_tokens = tokens}, stream, {allocate, deallocate}};
  std::vector<ott::half> rows;
  for (int i = 0; i < tokens * heads * dim; ++i) {
    rows.push_back(ott::from_float<ott::half>(std::sin(0.61f * static_cast<float>(i))));
  }
  auto const kv = ott::dense_view<ott::half const>(rows.data(), tokens, heads, dim);
  auto const sequence = cache.create(stream);
  cache.append(cache.make_batch({{sequence, tokens}}, stream), 0, kv, kv, stream);

  auto* const means = static_cast<float*>(allocate(nullptr, 2 * sizeof(float)));
  means[0] = means[1] = 0;
  mean_abs_key<<<2, dim>>>(cache.layer(0), cache.slot_of(sequence), 1, means);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  double expected = 0;
  auto const& group = cache.layer(0).sequence(cache.slot_of(sequence), 1).block(1);
  for (int i = 0; i < policy::group * dim; ++i) expected += std::fabs(group.key(i / dim, i % dim));
  expected /= policy::group * dim;
  std::printf("group 1: device %.6f, host %.6f\n", means[1], expected);
  return std::fabs(means[1] - expected) < 1e-5 && expected > 0.1 ? 0 : 1;
}
