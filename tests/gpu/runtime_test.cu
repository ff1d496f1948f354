// What only a device can show: graphs, streams, large pools, missing pages, failures that are
// reported.
#include <ott/attention.hpp>
#include <ott/cache/cache.hpp>
#include <ott/cache/snapshot.hpp>
#include <ott/ott.cuh>

#include "device.hpp"
#include "parity.hpp"

namespace {

struct small : ott::paper_policy {
  static constexpr int head_dim = 64, group = 32, residual = 8;
};

/// One decode step of every slot with its own device buffers, so that steps can be queued or
/// captured.
class stepper {
 public:
  static constexpr int q_per_kv = 4;
  using backend = ott::cuda_backend<small>;

  explicit stepper(ott_test::rig<small>& r)
      : rig_{r},
        items_{static_cast<std::size_t>(r.slots) * r.kv_heads * small::head_dim},
        k_{r.device, items_ * sizeof(ott::half)},
        v_{r.device, items_ * sizeof(ott::half)},
        q_{r.device, items_ * q_per_kv * sizeof(float)},
        out_{r.device, items_ * q_per_kv * sizeof(float)},
        numbers_{r.device, (2 * static_cast<std::size_t>(r.slots) + 1) * sizeof(std::int32_t)},
        workspace_{r.device, r.device.workspace_bytes(r.slots, r.kv_heads * q_per_kv, r.kv_heads,
                                                      r.slots * r.max_groups)} {
    for (int i = 0; i < r.slots; ++i) host_numbers_.push_back(i);
    for (int i = 0; i <= r.slots; ++i) host_numbers_.push_back(i);
    r.device.copy(numbers_.as<void>(), host_numbers_.data(), numbers_.size(), nullptr);
    r.device.fill(workspace_.as<void>(), 0, ott::workspace_cleared_bytes, nullptr);
    r.device.wait(nullptr);
  }

  /// New rows; the copies are queued, the sources live as long as the stepper.
  void bring(ott::cuda_stream s) {
    inputs_.push_back({ott_test::random_rows<ott::half>(rig_.rng, rig_.slots, rig_.kv_heads,
                                                        small::head_dim, true),
                       ott_test::random_rows<ott::half>(rig_.rng, rig_.slots, rig_.kv_heads,
                                                        small::head_dim, false),
                       ott_test::random_rows<float>(rig_.rng, rig_.slots, rig_.kv_heads * q_per_kv,
                                                    small::head_dim, false)});
    input const& now = inputs_.back();
    rig_.device.copy(k_.as<void>(), now.k.data(), k_.size(), s);
    rig_.device.copy(v_.as<void>(), now.v.data(), v_.size(), s);
    rig_.device.copy(q_.as<void>(), now.q.data(), q_.size(), s);
  }
  void queue_device(ott::cuda_stream s) {
    auto const batch = batch_of(numbers_.as<std::int32_t>());
    rig_.device.append(rig_.device_layer(), batch, kv_view(k_.as<ott::half const>()),
                       kv_view(v_.as<ott::half const>()), s);
    rig_.device.attend(ott::attend_call<small, float>{rig_.device_layer(),
                                                      batch,
                                                      q_view(q_.as<float const>()),
                                                      q_view(out_.as<float>()),
                                                      {},
                                                      rig_.max_groups,
                                                      workspace_.as<void>(),
                                                      workspace_.size()},
                       s);
  }
  /// The same on the host; its output.
  std::vector<float> run_host(std::size_t step) {
    input const& now = inputs_[step];
    std::vector<float> out(now.q.size());
    auto const batch = batch_of(host_numbers_.data());
    rig_.host.append(rig_.host_layer(), batch, kv_view(now.k.data()), kv_view(now.v.data()), {});
    rig_.host.attend(ott::attend_call<small, float>{rig_.host_layer(),
                                                    batch,
                                                    q_view(now.q.data()),
                                                    q_view(out.data()),
                                                    {},
                                                    rig_.max_groups,
                                                    nullptr,
                                                    0},
                     {});
    return out;
  }
  std::vector<float> output(ott::cuda_stream s) {
    std::vector<float> out(items_ * q_per_kv);
    rig_.device.copy(out.data(), out_.as<void>(), out_.size(), s);
    rig_.device.wait(s);
    return out;
  }

 private:
  struct input {
    std::vector<ott::half> k, v;
    std::vector<float> q;
  };
  ott::batch_view batch_of(std::int32_t const* numbers) const {
    return {rig_.slots, rig_.slots, 1, numbers, numbers + rig_.slots};
  }
  template <class T>
  ott::view<T> kv_view(T* data) const {
    return ott::dense_view(data, rig_.slots, rig_.kv_heads, small::head_dim);
  }
  template <class T>
  ott::view<T> q_view(T* data) const {
    return ott::dense_view(data, rig_.slots, rig_.kv_heads * q_per_kv, small::head_dim);
  }

  ott_test::rig<small>& rig_;
  std::size_t items_;
  ott_test::device_bytes<small> k_, v_, q_, out_, numbers_, workspace_;
  std::vector<std::int32_t> host_numbers_;
  std::vector<input> inputs_;
};

double worst_difference(std::vector<float> const& a, std::vector<float> const& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = std::fabs(double{a[i]} - double{b[i]});
    worst = d <= worst ? worst : d;
  }
  return worst;
}

struct own_stream {
  cudaStream_t s = nullptr;
  own_stream() { ott::check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "test"); }
  ~own_stream() { (void)cudaStreamDestroy(s); }
};

__global__ void noop_kernel() {}

/// A recorded step of an engine's, as a graph.
struct recorded_step {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  template <class Step>
  recorded_step(cudaStream_t s, Step const& step) {
    ott::check(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), "test");
    step();
    ott::check(cudaStreamEndCapture(s, &graph), "test");
    ott::check(cudaGraphInstantiate(&exec, graph, 0), "test");
  }
  ~recorded_step() {
    (void)cudaGraphExecDestroy(exec);
    (void)cudaGraphDestroy(graph);
  }
  void replay(cudaStream_t s) const { ott::check(cudaGraphLaunch(exec, s), "test"); }
};

}  // namespace

TEST_CASE("a captured step is replayed while sequences grow") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::rig<small> r(3, 2, 8);
  r.append({{0, 30}, {2, 77}});
  stepper step(r);
  own_stream stream;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ott::check(cudaStreamBeginCapture(stream.s, cudaStreamCaptureModeThreadLocal), "test");
  step.queue_device(stream.s);
  ott::check(cudaStreamEndCapture(stream.s, &graph), "test");
  ott::check(cudaGraphInstantiate(&exec, graph, 0), "test");
  double worst = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    step.bring(stream.s);
    ott::check(cudaGraphLaunch(exec, stream.s), "test");
    worst = std::max(worst, worst_difference(step.run_host(i), step.output(stream.s)));
  }
  CHECK(worst <= 4e-3);
  CHECK(r.different_bytes() == 0);
  CHECK(r.groups(2) > 3);
  ott::check(cudaGraphExecDestroy(exec), "test");
  ott::check(cudaGraphDestroy(graph), "test");
}

TEST_CASE("a cache's step is captured once and replayed while its sequences grow") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  constexpr int layers = 2, heads = 2, q_heads = 8, dim = small::head_dim, steps = 100;
  ott::cache_config config;
  config.num_layers = layers;
  config.num_kv_heads = heads;
  config.num_q_heads = q_heads;
  config.max_sequences = 3;
  config.max_tokens = 300;
  own_stream stream;
  ott::cache<small, ott::cuda_backend<small>> device{config, stream.s};
  ott::cache<small, ott::host_backend<small>> host{config, {}};
  std::mt19937 rng{11};
  auto const bytes_of = [](auto const& rows) { return rows.size() * sizeof(rows[0]); };
  auto const rows_view = [](auto* data, int rows) {
    return ott::dense_view(data, rows, heads, dim);
  };

  std::vector<ott::seq_id> on_device, on_host;
  for (int const length : {30, 77}) {
    on_device.push_back(device.create(stream.s));
    on_host.push_back(host.create({}));
    auto const k = ott_test::random_rows<ott::half>(rng, length, heads, dim, true);
    ott_test::device_bytes<small> device_k{device.get_backend(), bytes_of(k)};
    device.get_backend().copy(device_k.as<void>(), k.data(), bytes_of(k), stream.s);
    auto const there = rows_view(device_k.as<ott::half const>(), length);
    auto const here = rows_view(k.data(), length);
    auto const fill = device.make_batch({{on_device.back(), length}}, stream.s);
    auto const fill_host = host.make_batch({{on_host.back(), length}}, {});
    for (int layer = 0; layer < layers; ++layer) {
      device.append(fill, layer, there, there, stream.s);
      host.append(fill_host, layer, here, here, {});
    }
    device.get_backend().wait(stream.s);
  }

  auto const batch = device.make_batch({{on_device[0], 1}, {on_device[1], 1}}, stream.s);
  auto const host_batch = host.make_batch({{on_host[0], 1}, {on_host[1], 1}}, {});
  constexpr std::size_t kv_bytes = 2 * heads * dim * sizeof(ott::half);
  constexpr std::size_t q_bytes = 2 * q_heads * dim * sizeof(float);
  ott_test::device_bytes<small> k{device.get_backend(), kv_bytes},
      v{device.get_backend(), kv_bytes};
  ott_test::device_bytes<small> q{device.get_backend(), q_bytes},
      out{device.get_backend(), q_bytes};
  device.reserve(batch, steps, stream.s);
  int const pages = device.available_pages();
  recorded_step const step(stream.s, [&] {
    for (int layer = 0; layer < layers; ++layer) {
      device.append(batch, layer, rows_view(k.as<ott::half const>(), 2),
                    rows_view(v.as<ott::half const>(), 2), stream.s);
      ott::attend(device, batch, layer, ott::dense_view(q.as<float const>(), 2, q_heads, dim),
                  ott::dense_view(out.as<float>(), 2, q_heads, dim), {}, stream.s);
    }
  });
  double worst = 0;
  for (int i = 0; i < steps; ++i) {
    auto const now_k = ott_test::random_rows<ott::half>(rng, 2, heads, dim, true);
    auto const now_v = ott_test::random_rows<ott::half>(rng, 2, heads, dim, false);
    auto const now_q = ott_test::random_rows<float>(rng, 2, q_heads, dim, false);
    device.get_backend().copy(k.as<void>(), now_k.data(), kv_bytes, stream.s);
    device.get_backend().copy(v.as<void>(), now_v.data(), kv_bytes, stream.s);
    device.get_backend().copy(q.as<void>(), now_q.data(), q_bytes, stream.s);
    step.replay(stream.s);
    std::vector<float> got(2 * q_heads * dim), want(got.size());
    device.get_backend().copy(got.data(), out.as<void>(), q_bytes, stream.s);
    device.get_backend().wait(stream.s);
    for (int layer = 0; layer < layers; ++layer) {
      host.append(host_batch, layer, rows_view(now_k.data(), 2), rows_view(now_v.data(), 2), {});
      ott::attend(host, host_batch, layer, ott::dense_view(now_q.data(), 2, q_heads, dim),
                  ott::dense_view(want.data(), 2, q_heads, dim), {}, {});
    }
    worst = std::max(worst, worst_difference(want, got));
  }
  CHECK(worst <= 4e-3);
  device.advance(batch, steps - 1);  // the capture itself counted one
  CHECK(device.available_pages() == pages);
  CHECK_FALSE(device.take_missed_step(stream.s));
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(device.length(on_device[i]) == host.length(on_host[i]));
    CHECK(ott::save(device, on_device[i], stream.s) == ott::save(host, on_host[i], {}));
  }
  CHECK_THROWS_AS(device.advance(batch, steps), ott::error);  // more than was reserved
  int missed = 0;
  while (missed < small::group && !device.take_missed_step(stream.s)) {
    step.replay(stream.s);
    ++missed;
  }
  CHECK(missed > 0);
  CHECK(missed < small::group);  // the next flush found no page, and said so
}

TEST_CASE("two streams at once do not meet") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::rig<small> a(4, 2, 8, small::pool, 1), b(4, 2, 8, 1, 2);
  stepper step_a(a), step_b(b);
  own_stream stream_a, stream_b;
  constexpr std::size_t steps = 90;
  for (std::size_t i = 0; i < steps; ++i) {
    step_a.bring(stream_a.s);
    step_b.bring(stream_b.s);
    step_a.queue_device(stream_a.s);
    step_b.queue_device(stream_b.s);
  }
  std::vector<float> const got_a = step_a.output(stream_a.s), got_b = step_b.output(stream_b.s);
  std::vector<float> want_a, want_b;
  for (std::size_t i = 0; i < steps; ++i) want_a = step_a.run_host(i), want_b = step_b.run_host(i);
  CHECK(worst_difference(want_a, got_a) <= 4e-3);
  CHECK(worst_difference(want_b, got_b) <= 4e-3);
  CHECK(a.different_bytes() == 0);
  CHECK(b.different_bytes() == 0);
}

TEST_CASE("the same call gives the same bits, alone and in a batch") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::rig<small> r(3, 2, 40);
  r.append({{0, 1100}, {1, 5}, {2, 300}});
  stepper step(r);
  step.bring(nullptr);
  step.queue_device(nullptr);
  std::vector<float> const first = step.output(nullptr);
  CHECK(worst_difference(step.run_host(0), first) <= 4e-3);
  // Cutting the sequences back and stepping again must repeat every bit: same rows, same state.
  for (int slot = 0; slot < 3; ++slot) {
    r.device.set_length(r.device_layer(), slot, r.length(slot) - 1, nullptr);
  }
  step.queue_device(nullptr);
  CHECK(step.output(nullptr) == first);
}

TEST_CASE("a pool above 4 GiB") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::rig<small> r(1, 2, 8);
  std::size_t const page = 2 * sizeof(ott::group_block<small>);
  std::size_t const pages = (std::size_t{5} << 30) / page;
  ott_test::device_bytes<small> pool{r.device, pages * page};
  r.append({{0, 3}});
  ott::layer_view<small> layer = r.device_layer();
  layer.blocks = pool.as<ott::group_block<small>>();
  std::vector<std::int32_t> far;
  for (int g = 0; g < 8; ++g) far.push_back(static_cast<std::int32_t>(pages) - 1 - 3 * g);
  ott_test::device_bytes<small> table{r.device, far.size() * sizeof(std::int32_t)};
  r.device.copy(table.as<void>(), far.data(), table.size(), nullptr);
  layer.page_table = table.as<std::int32_t>();
  constexpr int rows = 200;
  auto const k = ott_test::random_rows<ott::half>(r.rng, rows, 2, small::head_dim, true);
  std::int32_t const numbers[] = {0, 0, rows};
  ott_test::device_bytes<small> device_k{r.device, k.size() * 2};
  ott_test::device_bytes<small> device_n{r.device, sizeof numbers};
  r.device.copy(device_k.as<void>(), k.data(), device_k.size(), nullptr);
  r.device.copy(device_n.as<void>(), numbers, sizeof numbers, nullptr);
  auto const* const data = device_k.as<ott::half const>();
  auto const device_view = ott::dense_view(data, rows, 2, small::head_dim);
  auto const host_view = ott::dense_view(k.data(), rows, 2, small::head_dim);
  auto const* n = device_n.as<std::int32_t const>();
  r.device.append(layer, {1, rows, rows, n, n + 1}, device_view, device_view, nullptr);
  r.host.append(r.host_layer(), {1, rows, rows, numbers, numbers + 1}, host_view, host_view, {});
  for (int group = 0; group < r.groups(0); ++group) {
    for (int head = 0; head < 2; ++head) {
      ott::group_block<small> got;
      r.device.copy(&got, layer.blocks + std::int64_t{far[group]} * 2 + head, sizeof got, nullptr);
      r.device.wait(nullptr);
      ott::group_block<small> const& want = r.host_layer().sequence(0, head).block(group);
      bool same = true;
      for (int t = 0; t < small::group; ++t) {
        same = same && got.marked(t) == want.marked(t);
        for (int c = 0; c < small::head_dim; ++c) {
          same = same && got.key(t, c) == want.key(t, c) && got.value(t, c) == want.value(t, c);
        }
      }
      CHECK(same);
    }
  }
  CHECK(r.groups(0) == 6);
}

TEST_CASE("a missing page raises the flag and changes nothing") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  for (int rows : {40, 100}) {  // one launch, and bulk
    ott_test::rig<small> r(2, 2, 8);
    r.append({{0, 20}, {1, 35}});
    r.table()[8 + 1] = -1;  // slot 1, group 1
    r.upload_table();
    r.append({{0, rows}, {1, rows}});
    CHECK(r.device_flag() == 1);
    CHECK(r.host_flag() == 1);
    CHECK(r.length(0) == 20 + rows);
    CHECK(r.length(1) == 35);
    CHECK(r.different_bytes() == 0);
  }
}

TEST_CASE("what fails is reported, and does not stick") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  auto const code_of = [](auto const& call) {
    try {
      call();
    } catch (ott::error const& e) {
      std::printf("  %s\n", e.what());
      return static_cast<int>(e.code());
    }
    return -1;
  };
  int const device = static_cast<int>(ott::errc::device);
  int const capacity = static_cast<int>(ott::errc::capacity);
  CHECK(code_of([] { ott::launch("test: threads", noop_kernel, {1, 4096}, nullptr); }) == device);
  CHECK(code_of([] {
          ott::launch("test: shared", noop_kernel, {1, 32, 1 << 20}, nullptr);
        }) == device);
  ott::cuda_backend<small> backend;
  CHECK(code_of([&] { backend.allocate(std::size_t{1} << 50); }) == capacity);
  ott_test::rig<small> r(1, 2, 8);
  r.append({{0, 100}});
  ott_test::device_bytes<small> memory{r.device, 4096};
  auto* const x = memory.as<float>();
  auto* const n = memory.as<std::int32_t>();
  ott::view<float> const q = ott::dense_view(x, 1, 2, small::head_dim);
  CHECK(code_of([&] {
          r.device.attend(
              ott::attend_call<small, float>{
                  r.device_layer(), {1, 1, 1, n, n + 1}, q, q, {}, 8, memory.as<void>(), 64},
              nullptr);
        }) == capacity);
  int const many = 100000;  // sequences, whose list no block can hold
  ott::view<float> const wide = ott::dense_view(x, many, 2, small::head_dim);
  CHECK(code_of([&] {
          r.device.attend(ott::attend_call<small, float>{r.device_layer(),
                                                         {many, many, 1, n, n + 1},
                                                         wide,
                                                         wide,
                                                         {},
                                                         8,
                                                         memory.as<void>(),
                                                         std::size_t{1} << 40},
                          nullptr);
        }) == capacity);
  CHECK(code_of([] { ott::launch("test: after", noop_kernel, {1, 32}, nullptr); }) == -1);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}
