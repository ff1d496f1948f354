// The library's kernel over quantized groups, alone: no exact rows, and the merge is the host's
// here.
// Checks ragged batches, masks and soft cap against float64, then times the shapes of
// docs/performance.md.
//   nvcc -O3 -std=c++20 -arch=sm_90 -diag-suppress 20013 -I include bench/micro/group_loop.cu
//   group_loop [check|time [shape]]   exit 1 where a relative Frobenius error is above 5e-3
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include <ott/cuda/group_kernel.cuh>

#include "gpu_timing.cuh"
#include "random_groups.hpp"

namespace {

using namespace micro;

struct job {
  std::vector<int> groups;  // of each sequence
  std::vector<int> rows;
  int kv_heads;
  int per_kv;
  ott::attend_options options{};
  std::vector<int> q_pos;  // empty: the last positions
};

/// A layer on the device with everything the kernel reads; `copies` page tables over different
/// blocks.
template <class P>
struct setup {
  using state_type = ott::head_state<P>;
  std::vector<ott::group_block<P>> blocks;
  std::vector<int> pages, slot, row_begin, run, line_begin;
  std::vector<float> q;
  ott::attend_args<P> args{};
  ott::split_plan plan{};
  std::int64_t lines = 0;
  std::vector<void*> owned;
  int residual = 40;

  template <class T>
  T* own(std::vector<T> const& v) {
    T* const p = to_device(v);
    owned.push_back(p);
    return p;
  }
  setup(job const& j, int num_blocks, bool half_queries, std::mt19937& rng) {
    int const count = static_cast<int>(j.groups.size()), q_heads = j.kv_heads * j.per_kv;
    int max_groups = 1, total = 0;
    for (int n : j.groups) max_groups = std::max(max_groups, n), total += n;
    row_begin.push_back(0);
    for (int i = 0; i < count; ++i) {
      slot.push_back((i * 5 + 1) % count);
      row_begin.push_back(row_begin[i] + j.rows[i]);
    }
    if (count % 5 == 0)
      for (int i = 0; i < count; ++i) slot[i] = i;
    std::vector<state_type> states(count * j.kv_heads);
    pages.assign(count * max_groups, -1);
    int page = 0;
    line_begin.push_back(0);
    for (int i = 0; i < count; ++i) {
      for (int h = 0; h < j.kv_heads; ++h) {
        auto& state = states[slot[i] * j.kv_heads + h];
        state.num_groups = j.groups[i];
        state.length = j.groups[i] * P::group + residual;
      }
      for (int g = 0; g < j.groups[i]; ++g) pages[slot[i] * max_groups + g] = total - 1 - page++;
      using rule = ott::split_rule<P>;
      run.push_back(rule::run(j.groups[i], j.rows[i]));
      line_begin.push_back(line_begin[i] + j.rows[i] * (rule::group_splits(j.groups[i], run[i]) +
                                                        rule::exact_splits));
    }
    lines = std::int64_t{line_begin[count]} * q_heads;
    blocks = random_groups<P>(std::min(total * j.kv_heads, num_blocks), rng);
    q = random_query<P>(blocks, row_begin[count] * q_heads, rng);
    args.layer = {nullptr, own(states), own(pages), max_groups, j.kv_heads, j.kv_heads, 0, nullptr};
    args.batch = {count, row_begin[count], 4, own(slot), own(row_begin)};
    args.options = j.options;
    args.options.scale = 0.69314718f;  // random_query speaks in units of log2
    if (!j.q_pos.empty()) args.options.q_pos = own(j.q_pos);
    args.num_q_heads = q_heads, args.per_kv = j.per_kv, args.per_kv_inverse = 1.0f / j.per_kv;
    std::vector<float> raw = q;  // as an engine has it: the kernel works on rotated ones
    for (std::size_t i = 0; i < raw.size(); i += P::head_dim) {
      P::key_rotation::template apply<P::head_dim>(&raw[i]);  // its own inverse
    }
    args.q = {own(raw), ott::scalar_kind::single, q_heads * P::head_dim, P::head_dim};
    if (half_queries) {
      std::vector<ott::half> narrow;
      for (float x : raw) narrow.push_back(ott::from_float<ott::half>(x));
      args.q.data = own(narrow), args.q.kind = ott::scalar_kind::half;
    }
    plan.line_begin = own(line_begin), plan.capacity = line_begin[count];
    plan.ticket = own(std::vector<int>{0});
    plan.rotated = P::key_rotation::identity ? nullptr : own(q);
    plan.out = own(std::vector<float>(lines * P::head_dim, NAN));
    plan.state = own(std::vector<float>(lines * 2, NAN));
    plan.num_q_heads = q_heads;
  }
  ~setup() {
    for (void* p : owned) cudaFree(p);
  }
};

template <class P>
bool check(char const* name, job const& j) {
  std::mt19937 rng(11);
  constexpr int D = P::head_dim;
  setup<P> s(j, 1 << 30, false, rng);
  s.args.layer.blocks = s.own(s.blocks);
  ott::launch_groups(s.args, s.plan, nullptr);
  std::vector<float> out(s.lines * D), state(s.lines * 2), again(s.lines * D);
  OTT_MICRO_CHECK(cudaMemcpy(out.data(), s.plan.out, out.size() * 4, cudaMemcpyDeviceToHost));
  OTT_MICRO_CHECK(cudaMemcpy(state.data(), s.plan.state, state.size() * 4, cudaMemcpyDeviceToHost));
  ott::launch_groups(s.args, s.plan, nullptr);
  OTT_MICRO_CHECK(cudaMemcpy(again.data(), s.plan.out, out.size() * 4, cudaMemcpyDeviceToHost));
  double error = 0, norm = 0, sum_error = 0;
  int const q_heads = j.kv_heads * j.per_kv;
  for (std::size_t i = 0; i < j.groups.size(); ++i) {
    for (int row = 0; row < j.rows[i]; ++row) {
      for (int head = 0; head < q_heads; ++head) {
        int const at = s.row_begin[i] + row, n = j.groups[i];
        int const pos = j.q_pos.empty() ? n * P::group + s.residual - j.rows[i] + row : j.q_pos[at];
        float const* const query = &s.q[(at * q_heads + head) * D];
        std::vector<double> want(D), got(D), logits(n * P::group, -1e300);
        double top = -1e299, total = 0, got_top = -1e299, got_total = 0;
        auto const block = [&](int g) -> ott::group_block<P> const& {
          int const page = s.pages[s.slot[i] * s.args.layer.max_groups + g];
          return s.blocks[page * j.kv_heads + head / j.per_kv];
        };
        for (int t = 0; t < n * P::group; ++t) {
          auto const& b = block(t / P::group);
          if (b.marked(t % P::group) || !ott::sees(j.options, pos, t)) continue;
          double logit = 0;
          for (int c = 0; c < D; ++c) logit += double{query[c]} * b.key(t % P::group, c);
          double const cap = j.options.soft_cap * 1.4426950408889634;
          logits[t] = cap > 0 ? cap * std::tanh(logit / cap) : logit;
          top = std::max(top, logits[t]);
        }
        for (int t = 0; t < n * P::group; ++t) {
          double const p = std::exp2(logits[t] - top);
          if (p == 0) continue;
          total += p;
          for (int c = 0; c < D; ++c) want[c] += p * block(t / P::group).value(t % P::group, c);
        }
        auto const line = [&](int split) {
          return (std::int64_t{s.line_begin[i]} + split * j.rows[i] + row) * q_heads + head;
        };
        int const splits = ott::ceil_div(n, s.run[i]);
        for (int k = 0; k < splits; ++k) got_top = std::max<double>(got_top, state[2 * line(k)]);
        for (int k = 0; k < splits; ++k) {
          double const w = std::exp2(state[2 * line(k)] - got_top);
          got_total += w * state[2 * line(k) + 1];
          for (int c = 0; c < D; ++c) got[c] += w * out[line(k) * D + c];
        }
        if (total == 0) {
          sum_error += got_total != 0;
          continue;
        }
        sum_error =
            std::max(sum_error, std::fabs(got_total * std::exp2(got_top - top) / total - 1));
        for (int c = 0; c < D; ++c) {
          double const d = got[c] / got_total - want[c] / total;
          error += d * d, norm += want[c] / total * want[c] / total;
        }
      }
    }
  }
  double const relative = std::sqrt(error / norm);
  bool const same = std::memcmp(out.data(), again.data(), out.size() * 4) == 0;
  bool const good = relative <= 5e-3 && sum_error <= 5e-3 && same;
  std::printf("check %-34s rel. error %.2e  sum %.2e  %s %s\n", name, relative, sum_error,
              same ? "same bits" : "OTHER BITS", good ? "ok" : "WRONG");
  std::fflush(stdout);
  return good;
}

char const* wanted = "";  // of the shapes' names

/// Median of graph replays over page tables that rotate through more than the L2 cache holds.
template <class P>
void time_shape(char const* name, int batch, int tokens, int kv_heads, int per_kv, bool ragged) {
  if (std::strstr(name, wanted) == nullptr) return;
  std::mt19937 rng(5);
  job j{std::vector<int>(batch, tokens / P::group), std::vector<int>(batch, 1), kv_heads, per_kv};
  if (ragged) {  // lengths 64 : 1 around the same mean
    double sum = 0;
    for (int i = 0; i < batch; ++i) sum += std::pow(64.0, -double(i) / (batch - 1));
    for (int i = 0; i < batch; ++i) {
      double const share = std::pow(64.0, -double(i * 29 % batch) / (batch - 1)) / sum;
      j.groups[i] = std::max(1, int(share * batch * tokens / P::group + 0.5));
    }
  }
  setup<P> s(j, 96, true, rng);
  std::size_t total = 0;
  for (int n : j.groups) total += n;
  std::size_t const bytes = total * kv_heads * sizeof(ott::group_block<P>);
  int const copies = std::max<int>(2, static_cast<int>(600000000 / bytes));
  unsigned char* data = nullptr;
  OTT_MICRO_CHECK(cudaMalloc(&data, bytes * copies));
  auto* const pattern = s.own(s.blocks);
  spread_kernel<<<1024, 256>>>(reinterpret_cast<uint4*>(pattern), reinterpret_cast<uint4*>(data),
                               s.blocks.size() * sizeof(ott::group_block<P>) / 16,
                               bytes * copies / 16);
  int const sms = ott::device_attribute(cudaDevAttrMultiProcessorCount);
  auto const timed = [&](auto const& enqueue) {
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    OTT_MICRO_CHECK(cudaStreamCreate(&stream));
    OTT_MICRO_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    int const nodes = std::max(copies, 4);
    for (int i = 0; i < nodes; ++i) enqueue(data + i % copies * bytes, stream);
    OTT_MICRO_CHECK(cudaStreamEndCapture(stream, &graph));
    OTT_MICRO_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    return median_us([&](int, cudaStream_t t) { OTT_MICRO_CHECK(cudaGraphLaunch(exec, t)); }, 25) /
           nodes;
  };
  auto const read = [&](unsigned char* from, cudaStream_t t) {
    read_kernel<<<sms * 4, 512, 0, t>>>(reinterpret_cast<uint4*>(from), bytes / 16, s.plan.out);
  };
  auto const loop = [&](unsigned char* from, cudaStream_t t) {
    s.args.layer.blocks = reinterpret_cast<ott::group_block<P>*>(from);
    ott::launch_groups(s.args, s.plan, t);
  };
  double const ceiling = timed(read), mine = timed(loop), ceiling2 = timed(read),
               mine2 = timed(loop);
  std::printf(
      "%-34s %6.1f MB  read %6.1f %6.1f us  groups %6.1f %6.1f us (%4.0f GB/s)  share %.3f %.3f\n",
      name, bytes / 1e6, ceiling, ceiling2, mine, mine2, bytes / mine2 / 1e3, ceiling / mine,
      ceiling2 / mine2);
  std::fflush(stdout);
  cudaFree(data);
}

struct turned : ott::rotated_policy {};

}  // namespace

int main(int argc, char** argv) {
  bool good = true;
  if (argc > 2) wanted = argv[2];
  if (argc < 2 || std::strcmp(argv[1], "check") == 0) {
    std::vector<int> const ragged{3, 0, 41, 9, 1, 70, 17};
    job const plain_job{ragged, {1, 1, 1, 1, 1, 1, 1}, 2, 4};
    good &= check<full>("ragged", plain_job);
    good &= check<full>("rows 1, 2, 8", {{3, 0, 41, 9, 1, 70, 17}, {1, 2, 8, 1, 3, 1, 2}, 2, 4});
    good &= check<full>("8 rows a tile", {ragged, {1, 2, 4, 1, 3, 1, 2}, 2, 8});
    good &= check<full>("7 heads a KV head", {ragged, {1, 1, 1, 1, 1, 1, 1}, 1, 7});
    job masked{ragged, {1, 2, 3, 1, 1, 1, 2}, 1, 4};
    masked.q_pos = {200, 5, 6, 900, 2000, 5100, 1100, 64, 8000, 17, 1900};
    good &= check<full>("positions in the middle", masked);
    masked.options.sliding_window = 700;
    good &= check<full>("sliding window", masked);
    masked.options.soft_cap = 3.0f;
    good &= check<full>("sliding window, soft cap", masked);
    good &= check<turned>("rotated policy", plain_job);
    good &= check<shaped<full, 3, 4, 128, 64>>("K 3 V 4, G 64", plain_job);
    good &=
        check<shaped<full, 2, 2, 256, 128>>("2-bit, D 256", {ragged, {1, 2, 8, 1, 3, 1, 2}, 2, 2});
    good &=
        check<shaped<full, 2, 2, 80, 128>>("2-bit, D 80", {ragged, {1, 2, 4, 1, 3, 1, 2}, 2, 8});
  }
  if (argc < 2 || std::strcmp(argv[1], "time") == 0) {
    time_shape<ott::paper_policy>("2-bit 64x8K 32/8", 64, 8192, 8, 4, false);
    time_shape<full>("2-bit factors 64x8K 32/8", 64, 8192, 8, 4, false);
    time_shape<full>("2-bit factors 16x32K 32/8", 16, 32768, 8, 4, false);
    time_shape<full>("2-bit factors 64x4K 32/8", 64, 4096, 8, 4, false);
    time_shape<full>("2-bit factors 8x8K 32/8", 8, 8192, 8, 4, false);
    time_shape<full>("2-bit factors 1x32K 32/8", 1, 32768, 8, 4, false);
    time_shape<full>("2-bit factors 1x128K 32/8", 1, 131072, 8, 4, false);
    time_shape<full>("2-bit factors 16x8K 32/32", 16, 8192, 32, 1, false);
    time_shape<full>("2-bit factors 8x32K 64/8", 8, 32768, 8, 8, false);
    time_shape<full>("2-bit factors 16x16K 28/4", 16, 16384, 4, 7, false);
    time_shape<full>("2-bit factors 64x8K 64/8", 64, 8192, 8, 8, false);
    time_shape<full>("2-bit factors 64x8K ragged 64:1", 64, 8192, 8, 4, true);
    time_shape<shaped<full, 4, 4, 128, 128>>("4-bit 64x8K", 64, 8192, 8, 4, false);
    time_shape<shaped<full, 3, 3, 128, 128>>("3-bit 64x8K", 64, 8192, 8, 4, false);
    time_shape<shaped<full, 2, 2, 64, 128>>("2-bit D 64 32x16K", 32, 16384, 8, 4, false);
    time_shape<shaped<full, 2, 2, 256, 128>>("2-bit D 256 32x16K", 32, 16384, 8, 4, false);
  }
  return good ? 0 : 1;
}
