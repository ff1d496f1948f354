// An engine's side of the split: plain C++ that meets neither a kernel nor a CUDA header.
#include <cmath>
#include <cstdio>
#include <vector>

#include "kv.hpp"
// [step]
#include <ott/attention.hpp>
#include <ott/cache/cache.hpp>
#include <ott/cuda/backend.hpp>
#include <ott/layout/footprint.hpp>
using kv_cache = ott::cache<chat_kv, ott::cuda_backend<chat_kv>>;
static_assert(ott::footprint<chat_kv>::bytes_per_group() < 6 * 1024);  // a budget

// One step of a batch. k, v: [tokens, kv_heads, head_dim]; q, out: [tokens, q_heads, head_dim].
void run_step(kv_cache& cache, kv_cache::batch_type const& batch, ott::view<ott::bf16 const> k,
              ott::view<ott::bf16 const> v, ott::view<ott::bf16 const> q, ott::view<ott::bf16> out,
              ott::cuda_stream stream) {
  for (int layer = 0; layer < cache.config().num_layers; ++layer) {
    cache.append(batch, layer, k, v, stream);
    ott::attend(cache, batch, layer, q, out, {}, stream);
  }
}
// [step]
bool has_gpu();  // kv.cu
int main() {
  if (!has_gpu()) return 77;  // skipped
  constexpr int prompt = 300, kv_heads = 2, q_heads = 8, dim = chat_kv::head_dim;
  ott::cuda_stream const stream = nullptr;
  ott::cache_config config{.num_layers = 2, .num_kv_heads = kv_heads, .num_q_heads = q_heads};
  config.max_query_rows = prompt;
  kv_cache cache{config, stream};
  // All values are 1.5, so every output must be, whatever the weights; keys and queries vary.
  std::vector<ott::bf16> rows(prompt * q_heads * dim), ones(rows.size(), ott::bf16{0x3fc0});
  float wave = 0;
  for (ott::bf16& x : rows) x = ott::from_float<ott::bf16>(std::sin(wave += 0.37f));
  std::size_t const bytes = rows.size() * sizeof(ott::bf16);
  auto& device = cache.get_backend();
  auto* const some = static_cast<ott::bf16*>(device.allocate(3 * bytes));
  auto *const same = some + rows.size(), *const out = same + rows.size();
  device.copy(some, rows.data(), bytes, stream);
  device.copy(same, ones.data(), bytes, stream);
  ott::seq_id const sequence = cache.create(stream);
  auto batch = cache.make_batch(1);         // its memory serves all steps
  for (int step = 0; step <= 40; ++step) {  // a prompt, then 40 tokens one by one
    int const n = step == 0 ? prompt : 1;
    cache.assign(batch, {{sequence, n}}, stream);
    auto const rows_of = [n](auto* p, int heads) { return ott::dense_view(p, n, heads, dim); };
    run_step(cache, batch, rows_of(some, kv_heads), rows_of(same, kv_heads), rows_of(some, q_heads),
             rows_of(out, q_heads), stream);
  }
  device.copy(rows.data(), out, q_heads * dim * sizeof(ott::bf16), stream);
  device.wait(stream);
  device.deallocate(some, 3 * bytes);
  rows.resize(q_heads * dim);
  float worst = 0;
  for (ott::bf16 const x : rows) worst = std::fmax(worst, std::fabs(ott::to_float(x) - 1.5f));
  std::printf("%d tokens, largest error %.4f\n", cache.length(sequence), worst);
  return worst < 0.02f ? 0 : 1;
}
