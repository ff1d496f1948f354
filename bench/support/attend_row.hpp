#pragma once

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <ott/attention.hpp>

#include "support/policies.hpp"
#include "support/reference.hpp"
#include "support/report.hpp"
#include "support/traffic.hpp"

// One row of attention: fill, check against float64, time.
namespace ott_bench {

/// Queries and outputs of a call.
/// shape    [sequences * rows, q_heads, head_dim]
template <class P>
struct query_rows {
  device_array<ott::half> q;
  device_array<ott::half> out;
  int rows;
  int heads;

  query_rows(shape const& s, cudaStream_t stream)
      : q(size(s)), out(size(s)), rows{s.sequences * s.rows}, heads{s.q_heads} {
    random_queries(q.data(), rows, heads, P::head_dim, 7, stream);
  }
  ott::view<ott::half const> q_view() const {
    return ott::dense_view<ott::half const>(q.data(), rows, heads, P::head_dim);
  }
  ott::view<ott::half> out_view() const {
    return ott::dense_view<ott::half>(out.data(), rows, heads, P::head_dim);
  }

 private:
  static std::size_t size(shape const& s) {
    return static_cast<std::size_t>(s.sequences) * static_cast<std::size_t>(s.rows) *
           static_cast<std::size_t>(s.q_heads) * P::head_dim;
  }
};

inline std::vector<float> download_rows(ott::half const* from, int count) {
  std::vector<ott::half> bits(static_cast<std::size_t>(count));
  check(cudaMemcpy(bits.data(), from, bits.size() * sizeof(ott::half), cudaMemcpyDeviceToHost),
        "download");
  std::vector<float> wide;
  for (ott::half const x : bits) wide.push_back(ott::to_float(x));
  return wide;
}

/// Relative Frobenius error of `out` for some (layer, sequence, KV head), first and last query row.
template <class P>
double attend_error(filled_cache<P> const& f, shape const& s, query_rows<P> const& io, int layer,
                    std::vector<std::pair<int, int>> const& samples) {
  int const q_per_kv = s.q_heads / s.kv_heads;
  double error = 0;
  double norm = 0;
  for (auto const& [sequence, kv_head] : samples) {
    host_head<P> const head = download(f, layer, sequence, kv_head);
    std::vector<reference_query<P>> queries;
    std::vector<std::vector<float>> got;
    for (int const row : {0, s.rows - 1}) {
      for (int i = 0; i < q_per_kv; ++i) {
        std::int64_t const at =
            (std::int64_t{sequence * s.rows + row} * s.q_heads + kv_head * q_per_kv + i) *
            P::head_dim;
        queries.push_back(
            {head.state->length - s.rows + row, download_rows(io.q.data() + at, P::head_dim)});
        got.push_back(download_rows(io.out.data() + at, P::head_dim));
      }
      if (s.rows == 1) break;
    }
    auto const want = reference<P>(head, queries);
    for (std::size_t i = 0; i < want.size(); ++i) {
      for (std::size_t c = 0; c < want[i].size(); ++c) {
        double const d = static_cast<double>(got[i][c]) - want[i][c];
        error += d * d;
        norm += want[i][c] * want[i][c];
      }
    }
  }
  return std::sqrt(error / norm);
}

/// Runs one layer on a poisoned output and compares; throws when the result is wrong.
template <class P, class Call>
double checked(filled_cache<P> const& f, shape const& s, query_rows<P> const& io,
               cudaStream_t stream, Call const& call) {
  double worst = 0;
  int const last = f.cache->config().num_layers - 1;
  int const end = s.sequences - 1;
  for (int const layer : {0, last}) {
    check(cudaMemsetAsync(io.out.data(), 0xff, io.out.bytes(), stream), "poison");
    call(layer);
    check(cudaStreamSynchronize(stream), "attend");
    std::vector<std::pair<int, int>> samples{{end, s.kv_heads - 1}};
    if (layer == 0 && s.sequences > 1) samples.push_back({end / 2, 0});
    double const error = attend_error(f, s, io, layer, samples);
    worst = error > worst || error != error ? error : worst;
    if (!(error <= 5e-3)) {
      throw std::runtime_error("wrong output: relative error " + std::to_string(error) +
                               " against float64, at most 0.005");
    }
  }
  return worst;
}

/// One row: `verb` of this shape under this policy.
template <class P>
void attend_row(benchmark::State& state, std::string const& group, shape const& s) {
  bench_context& shared = context();
  cudaStream_t const stream = shared.stream;
  int const sets = working_sets(expected_bytes<P>(s));
  filled_cache<P> const f = fill<P>(s, sets, stream);
  auto const batch = f.batch(s.rows, stream);
  query_rows<P> const io(s, stream);
  auto const call = [&](int layer) {
    ott::attend(*f.cache, batch, layer, io.q_view(), io.out_view(), {}, stream);
  };
  row r;
  r.group = group;
  r.policy = policy_name<P>;
  r.sets = sets;
  r.error = checked(f, s, io, stream, call);
  attend_traffic const bytes = attend_bytes<P>(s, counts_of(f));
  r.bytes = bytes.total();
  r.time = time_graph(stream, parts_of(sets), [&](int i) { call(i % sets); });
  r.ceiling_us = shared.limits.read_us(r.bytes);
  r.ceiling_gbps = shared.read_gbps;
  report(state, r);
  state.counters["MB_groups"] = bytes.groups * 1e-6;
  state.counters["MB_partials"] = bytes.partials * 1e-6;
  state.counters["traced"] = bytes.traced;
  if (s.rows > 1) {
    double pairs = 0;  // of query and token, causal
    for (int const length : f.lengths) pairs += s.rows * (length - 0.5 * (s.rows - 1));
    state.counters["TFLOPs"] = 4.0 * pairs * s.q_heads * P::head_dim / r.time.us * 1e-6;
  }
}

template <class P>
void add_attend_row(char const* verb, shape const& s) {
  std::string const group = std::string(verb) + "/" + s.name + "/" + s.heads();
  add_row(group + "/" + policy_name<P>,
          [=](benchmark::State& state) { attend_row<P>(state, group, s); });
}

}  // namespace ott_bench
