// Quickstart: fills a 2-bit cache with a sequence, attends to it, and compares with an exact cache.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include <ott/ott.hpp>

constexpr int tokens = 1000, kv_heads = 2, q_heads = 6, dim = 128;

// [cache]
/// Appends all tokens to a cache of this policy and lets the last one attend to the others.
template <class Policy>
std::vector<float> last_output(std::vector<ott::half> const& k, std::vector<ott::half> const& v,
                               std::vector<float> const& q) {
  ott::host_stream const stream;  // a place in the signature; with CUDA, a cudaStream_t
  ott::cache<Policy, ott::host_backend<Policy>> cache{
      {.num_kv_heads = kv_heads, .num_q_heads = q_heads, .max_tokens = 1024}, stream};
  ott::seq_id const sequence = cache.create(stream);
  auto const prompt = cache.make_batch({{sequence, tokens}}, stream);
  cache.append(prompt, 0, ott::dense_view(k.data(), tokens, kv_heads, dim),
               ott::dense_view(v.data(), tokens, kv_heads, dim), stream);

  std::vector<float> out(q.size());
  auto const step = cache.make_batch({{sequence, 1}}, stream);  // one query row: the newest token's
  ott::attend(cache, step, 0, ott::dense_view(q.data(), 1, q_heads, dim),
              ott::dense_view(out.data(), 1, q_heads, dim), {}, stream);
  return out;
}
// [cache]

/// Rows around a common one, as real keys and values are: channels differ more than tokens do.
std::vector<ott::half> rows_around(float spread, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> center(kv_heads * dim);
  for (float& x : center) x = normal(random);
  std::vector<ott::half> rows;
  for (int i = 0; i < tokens * kv_heads * dim; ++i) {
    auto const column = static_cast<std::size_t>(i % (kv_heads * dim));
    rows.push_back(ott::from_float<ott::half>(center[column] + spread * normal(random)));
  }
  return rows;
}

int main() {
  std::mt19937 random{1};
  auto const k = rows_around(0.5f, random), v = rows_around(0.5f, random);
  std::vector<float> q(q_heads * dim);
  for (float& x : q) x = std::normal_distribution<float>{}(random);
  auto const exact = last_output<ott::dense_policy>(k, v, q);
  auto const ours = last_output<ott::paper_policy>(k, v, q);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    error += std::pow(ours[i] - exact[i], 2);
    size += std::pow(exact[i], 2);
  }
  std::printf("relative error %.4f\n", std::sqrt(error / size));
  return error < 0.1 * 0.1 * size ? 0 : 1;
}
