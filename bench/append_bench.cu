// One decode step's append: one token a sequence, and the flushes that fall due in it.
#include <algorithm>
#include <numeric>

#include "support/policies.hpp"
#include "support/report.hpp"
#include "support/traffic.hpp"

namespace ott_bench {
namespace {

constexpr int num_layers = 16;  // appended to in each replay: one decode step of a small model
constexpr int num_cycles = 3;   // of P::group steps, in which every sequence flushes once
constexpr int first_length = 1024;

/// What one step reads and writes on average, or in the step where all sequences flush.
template <class P>
double step_bytes(append_steps const& s, bool all_flush) {
  double const heads = static_cast<double>(s.sequences) * s.kv_heads;
  double const flushes = all_flush ? heads : heads / P::group;
  return heads * 2.0 * row_bytes<P>() + flushes * (P::group * row_bytes<P>() + group_bytes<P>());
}

double mean(std::vector<double> const& us) {
  return std::accumulate(us.begin(), us.end(), 0.0) / static_cast<double>(us.size());
}

/// Median over the cycles of what `of` makes of the times of one cycle.
template <class P, class Of>
double over_cycles(std::vector<double> const& us, Of const& of) {
  std::vector<double> each;
  for (std::size_t at = 0; at + P::group <= us.size(); at += P::group) {
    auto const begin = us.begin() + static_cast<std::ptrdiff_t>(at);
    each.push_back(of(std::vector<double>(begin, begin + P::group)));
  }
  return summarize(each, num_layers).us;
}

template <class P>
void append_row(benchmark::State& state, std::string const& group, append_steps const& s) {
  bench_context& shared = context();
  cudaStream_t const stream = shared.stream;
  ott::cache_config config;
  config.num_layers = num_layers;
  config.num_kv_heads = s.kv_heads;
  config.max_sequences = s.sequences;
  int const steps = 2 + (num_cycles + 1) * P::group + 1;
  config.max_tokens = first_length + P::group + steps;
  shape const empty{s.name, s.sequences, 0, s.kv_heads, s.kv_heads};
  auto f = empty_cache<P>(empty, config, stream);
  std::vector<int> lengths;
  for (int i = 0; i < s.sequences; ++i) {
    lengths.push_back(first_length + (s.in_phase ? 0 : i * P::group / s.sequences));
  }
  append_to(f, 0, lengths, stream);
  copy_layers(f, stream);
  auto const batch = f.batch(1, stream);
  f.cache->reserve(batch, steps, stream);

  std::size_t const row_size = static_cast<std::size_t>(s.kv_heads) * P::head_dim;
  device_array<ott::half> k(static_cast<std::size_t>(s.sequences) * row_size);
  device_array<ott::half> v(k.size());
  std::size_t first_row = 1u << 30;
  auto const next_rows = [&] {  // of their own in every step: equal rows are traced otherwise
    random_keys(k.data(), first_row, s.sequences, s.kv_heads, P::head_dim, 1, stream);
    random_values(v.data(), first_row, s.sequences, s.kv_heads, P::head_dim, 101, stream);
    first_row += static_cast<std::size_t>(s.sequences);
  };
  auto const rows_of = [&](device_array<ott::half> const& of) {
    return ott::dense_view<ott::half const>(of.data(), s.sequences, s.kv_heads, P::head_dim);
  };
  // Straight to the backend: the container's count knows nothing of replays.
  auto const append = [&](int layer) {
    f.cache->get_backend().append(f.cache->layer(layer), batch.view(), rows_of(k), rows_of(v),
                                  stream);
  };
  double const flood = 4.0 * device_attribute(cudaDevAttrL2CacheSize);
  shared.limits.read(flood);
  auto const captured = [&](bool floods, bool appends) {
    return std::make_unique<graph>(stream, [&] {
      for (int layer = 0; layer < num_layers; ++layer) {
        if (floods) shared.limits.read(flood);
        if (appends) append(layer);
      }
    });
  };
  auto const nothing = [] {};
  auto const step = captured(false, true);
  (void)replay_times(stream, *step, 2, next_rows);
  auto const warm = replay_times(stream, *step, num_cycles * P::group, next_rows);
  auto const flood_only = captured(true, false);
  auto const flooded = captured(true, true);
  (void)replay_times(stream, *flood_only, 2, nothing);
  auto const cold = replay_times(stream, *flooded, P::group, next_rows);
  auto const floods = replay_times(stream, *flood_only, P::group / 2, nothing);

  if (f.cache->take_missed_step(stream)) throw std::runtime_error("a page was missing");
  int const appended = 2 + (num_cycles + 1) * P::group;
  auto const counts = counts_of(f);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    int const want = lengths[i / static_cast<std::size_t>(s.kv_heads)] + appended;
    if (counts[i].length == want) continue;
    throw std::runtime_error("length " + std::to_string(counts[i].length) + " after the steps");
  }

  auto const slowest = [](std::vector<double> const& us) {
    return *std::max_element(us.begin(), us.end());
  };
  row r;
  r.group = group;
  r.policy = policy_name<P>;
  r.sets = num_layers;
  r.time = summarize(warm, num_layers);
  double const quiet = r.time.us;
  r.time.us = s.in_phase ? over_cycles<P>(warm, slowest) : over_cycles<P>(warm, mean);
  r.bytes = step_bytes<P>(s, s.in_phase);
  r.ceiling_us = shared.limits.copy_us(r.bytes);
  r.ceiling_gbps = shared.copy_gbps;
  report(state, r);
  state.counters["quiet_us"] = quiet;
  auto const of_cold = s.in_phase ? slowest(cold) : mean(cold);
  state.counters["cold_us"] = (of_cold - summarize(floods, 1).us) / num_layers;
}

template <class P>
void add(append_steps const& s) {
  std::string const group = std::string("append/") + s.name + "/h" + std::to_string(s.kv_heads);
  add_row(group + "/" + policy_name<P>,
          [=](benchmark::State& state) { append_row<P>(state, group, s); });
}

void add_rows() {
  for (append_steps const& s : append_shapes) {
    add<ott::dense_policy>(s);
    add<ott::paper_policy>(s);
    add<ott::rotated_policy>(s);
  }
}

}  // namespace
}  // namespace ott_bench

int main(int argc, char** argv) {
  ott_bench::add_rows();
  return ott_bench::run_benchmarks(argc, argv);
}
