// The host lane: append, attend and the operations of the container. One thread, wall time.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ott/ott.hpp>

#include "support/policies.hpp"

namespace ott_bench {
namespace {

constexpr int kv_heads = 2;
constexpr int q_heads = 8;

template <class P>
using host_cache = ott::cache<P, ott::host_backend<P>>;

template <class P>
ott::cache_config config_of(int tokens, int layers) {
  ott::cache_config config;
  config.num_layers = layers;
  config.num_kv_heads = kv_heads;
  config.num_q_heads = q_heads;
  config.max_sequences = 4;
  config.max_tokens = tokens;
  return config;
}

/// Rows of channels with different scales; every 97th is tiny.
template <class T>
std::vector<T> random_rows(int rows, int heads, int head_dim, std::uint32_t seed) {
  std::vector<T> out;
  std::uint32_t x = seed * 2654435761u + 1;
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < heads * head_dim; ++i) {
      float sum = -6;  // twelve uniforms make a normal
      for (int n = 0; n < 12; ++n) {
        x = x * 1664525u + 1013904223u;
        sum += static_cast<float>(x >> 8) * 0x1p-24f;
      }
      float const channel = 0.3f + static_cast<float>(i % 37 == 5 ? 3 : i % 5) * 0.2f;
      out.push_back(ott::from_float<T>((row % 97 == 50 ? 0.03f : 1.0f) * channel * sum));
    }
  }
  return out;
}

/// A cache with one sequence of `tokens` tokens in every layer.
template <class P>
struct filled {
  host_cache<P> cache;
  ott::seq_id id;

  filled(int tokens, int layers) : cache(config_of<P>(tokens + 8, layers), {}) {
    id = cache.create({});
    append(tokens, random_rows<ott::half>(tokens, kv_heads, P::head_dim, 1),
           random_rows<ott::half>(tokens, kv_heads, P::head_dim, 2));
  }
  void append(int tokens, std::vector<ott::half> const& k, std::vector<ott::half> const& v) {
    auto const batch = cache.make_batch({{id, tokens}}, {});
    for (int layer = 0; layer < cache.config().num_layers; ++layer) {
      cache.append(batch, layer, rows_of(k, tokens), rows_of(v, tokens), {});
    }
  }
  static ott::view<ott::half const> rows_of(std::vector<ott::half> const& of, int tokens) {
    return ott::dense_view<ott::half const>(of.data(), tokens, kv_heads, P::head_dim);
  }
};

/// Bulk append of `range` tokens to an empty sequence of one layer.
template <class P>
void append(benchmark::State& state) {
  int const tokens = static_cast<int>(state.range(0));
  auto const k = random_rows<ott::half>(tokens, kv_heads, P::head_dim, 1);
  auto const v = random_rows<ott::half>(tokens, kv_heads, P::head_dim, 2);
  host_cache<P> cache(config_of<P>(tokens, 1), {});
  for (auto _ : state) {
    auto const id = cache.create({});
    auto const batch = cache.make_batch({{id, tokens}}, {});
    cache.append(batch, 0, filled<P>::rows_of(k, tokens), filled<P>::rows_of(v, tokens), {});
    cache.drop(id);
  }
  state.SetItemsProcessed(state.iterations() * tokens * kv_heads);
}

/// One query row over `range` tokens of one layer.
template <class P>
void attend(benchmark::State& state) {
  int const tokens = static_cast<int>(state.range(0));
  filled<P> f(tokens, 1);
  auto const batch = f.cache.make_batch({{f.id, 1}}, {});
  auto const q = random_rows<float>(1, q_heads, P::head_dim, 3);
  std::vector<float> out(q.size());
  for (auto _ : state) {
    ott::attend(f.cache, batch, 0, ott::dense_view(q.data(), 1, q_heads, P::head_dim),
                ott::dense_view(out.data(), 1, q_heads, P::head_dim), {}, ott::host_stream{});
    benchmark::DoNotOptimize(out.data());
  }
  float norm = 0;
  for (float const x : out) norm += x * x;
  if (!(norm > 0) || !std::isfinite(norm)) state.SkipWithError("attend gave no numbers");
  state.SetItemsProcessed(state.iterations() * tokens * q_heads);
}

/// Fork of a sequence of `range` tokens in four layers, and its end.
template <class P>
void fork(benchmark::State& state) {
  filled<P> f(static_cast<int>(state.range(0)), 4);
  for (auto _ : state) f.cache.drop(f.cache.fork(f.id, {}));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(f.cache.slot_bytes()));
}

/// Four drafted tokens appended to four layers and taken back.
template <class P>
void truncate(benchmark::State& state) {
  int const tokens = static_cast<int>(state.range(0));
  filled<P> f(tokens, 4);
  auto const k = random_rows<ott::half>(4, kv_heads, P::head_dim, 5);
  for (auto _ : state) {
    f.append(4, k, k);
    f.cache.truncate(f.id, tokens, {});
  }
}

/// Save of a sequence of `range` tokens in four layers, and load into a new one.
template <class P>
void snapshot(benchmark::State& state) {
  filled<P> f(static_cast<int>(state.range(0)), 4);
  std::size_t bytes = 0;
  for (auto _ : state) {
    auto const blob = ott::save(f.cache, f.id, {});
    bytes = blob.size();
    f.cache.drop(ott::load(f.cache, blob, {}));
  }
  state.SetBytesProcessed(2 * state.iterations() * static_cast<std::int64_t>(bytes));
}

template <class P>
void add_rows() {
  auto const add = [](char const* verb, void (*body)(benchmark::State&), int tokens) {
    std::string const name = std::string("host_") + verb + "/" + policy_name<P>;
    benchmark::RegisterBenchmark(name.c_str(), body)
        ->Arg(tokens)
        ->ArgName("tokens")
        ->Unit(benchmark::kMicrosecond);
  };
  add("append", append<P>, 2048);
  add("attend", attend<P>, 2048);
  add("fork", fork<P>, 2000);
  add("truncate", truncate<P>, 2000);
  add("snapshot", snapshot<P>, 2000);
}

}  // namespace
}  // namespace ott_bench

int main(int argc, char** argv) {
  ott_bench::add_rows<ott::dense_policy>();
  ott_bench::add_rows<ott::paper_policy>();
  ott_bench::add_rows<ott::rotated_policy>();
  ott_bench::add_rows<ott_bench::ott_bits<4>>();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
