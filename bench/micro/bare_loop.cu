// The int8 loop over quantized groups alone: load, unpack, multiply, online softmax. Checks values
// against float64, then times it against a kernel that only reads the same bytes.
//   nvcc -O3 -std=c++20 -arch=sm_90 -diag-suppress 20013 -I include bench/micro/bare_loop.cu
//   bare_loop [check|time]        exit 1 where a relative Frobenius error is above 5e-3
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include <ott/cuda/half_ring.cuh>
#include <ott/cuda/integer_steps.cuh>
#include <ott/cuda/query_record.hpp>
#include <ott/cuda/step_copies.cuh>
#include <ott/cuda/value_tile.cuh>

#include "gpu_timing.cuh"
#include "random_groups.hpp"

namespace {

using namespace micro;

template <class P, int Sets>
OTT_HD constexpr int smem_a_warp(int stages) {
  return stages * ott::group_shape<P>::stage_bytes + int{sizeof(ott::query_record<P, Sets>)};
}

/// Every warp takes groups w, w + warps, ... and leaves O, maximum and sum of its rows.
/// shape    out: [warps][4 * Sets][D + 2]
template <class P, int Sets, int Warps, int Ctas, int Stages>
__global__ void __launch_bounds__(Warps * 32, Ctas)
    bare_kernel(std::uint8_t const* blocks, int const* pages, std::uint8_t const* query, float* out,
                int count) {
  using shape = ott::group_shape<P>;
  using record = ott::query_record<P, Sets>;
  extern __shared__ __align__(128) std::uint8_t memory[];
  int const lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  std::uint8_t* const own = memory + warp * smem_a_warp<P, Sets>(Stages);
  for (int i = lane * 16; i < int{sizeof(record)}; i += 512) {
    *reinterpret_cast<uint4*>(own + i) = *reinterpret_cast<uint4 const*>(query + i);
  }
  __syncwarp();
  auto const& q = *reinterpret_cast<record const*>(own);
  using steps = ott::integer_steps<P, Sets>;
  ott::group_copies<steps> const copies{lane};
  ott::half_ring<Stages, shape::stage_bytes> ring(own + sizeof(record));
  int const stride = static_cast<int>(gridDim.x) * Warps;
  int const first = static_cast<int>(blockIdx.x) * Warps + warp;
  auto const block = [&](int group) {
    return ott::group_step{group < count ? blocks + static_cast<std::size_t>(pages[group]) *
                                                        sizeof(ott::group_block<P>)
                                         : nullptr,
                           0};
  };
  ring.begin(copies, block(first));
  ott::group_step next = block(first + stride);
  ott::group_accumulator<P, Sets> sums;
  for (int group = first; group < count; group += stride) {
    ott::group_step const after = block(group + 2 * stride);
    ott::score_tile<P, Sets> scores(ring.keys(copies, next), q, lane);
    ring.drop_keys(copies, next);
    sums.add(scores, ring.values(), lane);
    ring.drop_values(copies, next);
    next = after;
  }
  sums.finish();
  for (int set = 0; set < Sets; ++set) {
    float* const row =
        out + (static_cast<std::size_t>(first) * 4 * Sets + 4 * set + lane % 4) * (P::head_dim + 2);
    for (int i = 0; i < shape::lane_channels; ++i) {
      int const channel = lane / 4 * shape::lane_channels + i;
      if (channel < P::head_dim) row[channel] = sums.out[set][i];
    }
    if (lane < 4) row[P::head_dim] = sums.maximum[set], row[P::head_dim + 1] = sums.sum[set];
  }
}

template <class P, int Sets>
ott::query_record<P, Sets> make_record(std::vector<float> const& q) {
  ott::query_record<P, Sets> record;
  for (int i = 0; i < record.eights; ++i) {
    float x[8];
    for (int c = 0; c < 8; ++c) {
      int const channel = record.channel(i) + c;
      x[c] = channel < P::head_dim ? q[record.row(i) * P::head_dim + channel] : 0.0f;
    }
    record.write(i, x);
  }
  return record;
}

/// Softmax attention over the groups in float64.
template <class P, int Rows>
std::vector<double> reference(std::vector<ott::group_block<P>> const& groups,
                              std::vector<float> const& q) {
  constexpr int D = P::head_dim;
  std::vector<double> out(Rows * D), logits(groups.size() * P::group * Rows);
  std::vector<double> top(Rows, -1e300), sum(Rows);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (int t = 0; t < P::group; ++t) {
      std::vector<double> key(D);
      for (int c = 0; c < D; ++c) key[c] = groups[g].key(t, c);
      for (int row = 0; row < Rows; ++row) {
        double logit = 0;
        for (int c = 0; c < D; ++c) logit += q[row * D + c] * key[c];
        if (groups[g].marked(t)) logit = -1e300;
        logits[(g * P::group + t) * Rows + row] = logit;
        top[row] = std::max(top[row], logit);
      }
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (int t = 0; t < P::group; ++t) {
      std::vector<double> value(D);
      for (int c = 0; c < D; ++c) value[c] = groups[g].value(t, c);
      for (int row = 0; row < Rows; ++row) {
        double const p = std::exp2(logits[(g * P::group + t) * Rows + row] - top[row]);
        sum[row] += p;
        for (int c = 0; c < D; ++c) out[row * D + c] += p * value[c];
      }
    }
  }
  for (int row = 0; row < Rows; ++row) {
    for (int c = 0; c < D; ++c) out[row * D + c] /= sum[row];
  }
  return out;
}

template <class P, int Sets, int Warps, int Ctas, int Stages>
struct runner {
  static constexpr int smem = Warps * smem_a_warp<P, Sets>(Stages);
  static constexpr auto kernel = bare_kernel<P, Sets, Warps, Ctas, Stages>;
  static void prepare() {
    OTT_MICRO_CHECK(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, smem));
  }
  static void launch(int ctas, cudaStream_t s, std::uint8_t const* blocks, int const* pages,
                     std::uint8_t const* query, float* out, int count) {
    kernel<<<ctas, Warps * 32, smem, s>>>(blocks, pages, query, out, count);
  }
};

template <class P, int Sets>
bool check(char const* name) {
  constexpr int rows = 4 * Sets, D = P::head_dim, ctas = 3, warps = 2;
  std::mt19937 rng(17);
  auto const groups = random_groups<P>(8192 / P::group + 5, rng);
  auto const q = random_query<P>(groups, 4 * Sets, rng);
  std::vector<ott::query_record<P, Sets>> const record{make_record<P, Sets>(q)};
  int const count = static_cast<int>(groups.size());
  std::vector<int> pages(count);
  std::vector<ott::group_block<P>> placed(count);
  for (int i = 0; i < count; ++i) pages[i] = (i * 7 + 3) % count;
  if (count % 7 == 0)
    for (int i = 0; i < count; ++i) pages[i] = i;
  for (int i = 0; i < count; ++i) placed[pages[i]] = groups[i];
  std::vector<float> out(ctas * warps * rows * (D + 2), NAN);
  auto* const blocks = to_device(placed);
  auto* const table = to_device(pages);
  auto* const query = to_device(record);
  float* const result = to_device(out);
  using run = runner<P, Sets, warps, 1, 3>;
  run::prepare();
  run::launch(ctas, nullptr, reinterpret_cast<std::uint8_t*>(blocks), table,
              reinterpret_cast<std::uint8_t*>(query), result, count);
  OTT_MICRO_CHECK(cudaGetLastError());
  OTT_MICRO_CHECK(cudaMemcpy(out.data(), result, out.size() * 4, cudaMemcpyDeviceToHost));
  auto const want = reference<P, rows>(groups, q);
  double error = 0, norm = 0;
  for (int row = 0; row < rows; ++row) {
    std::vector<double> got(D);
    double top = -1e300, sum = 0;
    for (int w = 0; w < ctas * warps; ++w) {
      top = std::max<double>(top, out[(w * rows + row) * (D + 2) + D]);
    }
    for (int w = 0; w < ctas * warps; ++w) {
      float const* const part = &out[(w * rows + row) * (D + 2)];
      double const weight = std::exp2(part[D] - top);
      sum += weight * part[D + 1];
      for (int c = 0; c < D; ++c) got[c] += weight * part[c];
    }
    for (int c = 0; c < D; ++c) {
      double const d = got[c] / sum - want[row * D + c];
      error += d * d, norm += want[row * D + c] * want[row * D + c];
    }
  }
  double const relative = std::sqrt(error / norm);
  bool const good = relative <= 5e-3;  // false for NaN too
  std::printf("check %-28s rows %d  block %5zu B  rel. error %.2e %s\n", name, rows,
              sizeof(ott::group_block<P>), relative, good ? "ok" : "WRONG");
  for (void* p : {(void*)blocks, (void*)table, (void*)query, (void*)result}) cudaFree(p);
  return good;
}

template <class P, int Sets, int Warps, int Ctas, int Stages>
void time_loop(char const* name, std::size_t megabytes) {
  using run = runner<P, Sets, Warps, Ctas, Stages>;
  std::mt19937 rng(3);
  auto const groups = random_groups<P>(96, rng);
  auto const q = random_query<P>(groups, 4 * Sets, rng);
  std::vector<ott::query_record<P, Sets>> const record{make_record<P, Sets>(q)};
  std::size_t const block = sizeof(ott::group_block<P>);
  int const count = static_cast<int>(megabytes * 1000000 / block);
  std::size_t const bytes = count * block;
  int const copies = bytes > 800000000 ? 2 : 4;
  int sms = 0;
  OTT_MICRO_CHECK(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
  auto* const pattern = to_device(groups);
  std::vector<std::uint8_t*> data(copies);
  for (auto& d : data) {
    OTT_MICRO_CHECK(cudaMalloc(&d, bytes));
    spread_kernel<<<1024, 256>>>(reinterpret_cast<uint4*>(pattern), reinterpret_cast<uint4*>(d),
                                 groups.size() * block / 16, bytes / 16);
  }
  std::vector<int> pages(count);
  for (int i = 0; i < count; ++i) pages[i] = i;
  auto* const table = to_device(pages);
  auto* const query = to_device(record);
  float* const out =
      to_device(std::vector<float>(std::size_t(sms) * Ctas * Warps * 4 * Sets * (P::head_dim + 2)));
  run::prepare();
  int resident = 0;
  OTT_MICRO_CHECK(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, run::kernel, Warps * 32, run::smem));
  cudaFuncAttributes attributes;
  OTT_MICRO_CHECK(cudaFuncGetAttributes(&attributes, run::kernel));
  auto const read = [&](int i, cudaStream_t s) {
    read_kernel<<<sms * 4, 512, 0, s>>>(reinterpret_cast<uint4*>(data[i % copies]), bytes / 16,
                                        out);
  };
  auto const loop = [&](int i, cudaStream_t s) {
    run::launch(sms * resident, s, data[i % copies], table, reinterpret_cast<std::uint8_t*>(query),
                out, count);
  };
  double const ceiling = median_us(read, 60), mine = median_us(loop, 100);
  double const ceiling2 = median_us(read, 60), mine2 = median_us(loop, 100);
  OTT_MICRO_CHECK(cudaDeviceSynchronize());
  std::printf(
      "%-24s warps %d x %d (fits %d) stages %d regs %3d local %zu  %5.0f MB  read %6.1f "
      "%6.1f us (%4.0f GB/s)  loop %6.1f %6.1f us (%4.0f GB/s)  share %.3f %.3f\n",
      name, Warps, Ctas, resident, Stages, attributes.numRegs, attributes.localSizeBytes,
      bytes / 1e6, ceiling, ceiling2, bytes / ceiling2 / 1e3, mine, mine2, bytes / mine2 / 1e3,
      ceiling / mine, ceiling2 / mine2);
  std::fflush(stdout);
  for (auto* d : data) cudaFree(d);
  for (void* p : {(void*)pattern, (void*)table, (void*)query, (void*)out}) cudaFree(p);
}

}  // namespace

int main(int argc, char** argv) {
  bool const timing = argc < 2 || std::strcmp(argv[1], "time") == 0;
  bool const checking = argc < 2 || std::strcmp(argv[1], "check") == 0;
  bool good = true;
  if (checking) {
    good &= check<plain, 1>("2-bit");
    good &= check<full, 1>("2-bit factors marks");
#ifndef OTT_BARE_ONLY
    good &= check<full, 2>("2-bit factors marks");
    good &= check<shaped<full, 3, 3, 128, 128>, 1>("3-bit");
    good &= check<shaped<full, 4, 4, 128, 128>, 1>("4-bit");
    good &= check<shaped<full, 8, 8, 128, 128>, 1>("8-bit");
    good &= check<shaped<full, 1, 1, 128, 128>, 1>("1-bit");
    good &= check<shaped<full, 3, 2, 80, 64>, 1>("K 3 V 2, D 80, G 64");
    good &= check<shaped<full, 2, 4, 96, 32>, 2>("K 2 V 4, D 96, G 32");
    good &= check<shaped<full, 2, 2, 64, 128>, 1>("2-bit, D 64");
    good &= check<shaped<full, 2, 2, 112, 96>, 1>("2-bit, D 112, G 96");
    good &= check<shaped<full, 2, 2, 256, 256>, 1>("2-bit, D 256, G 256");
    good &= check<balanced, 1>("symmetric 4-bit");
    good &= check<brain, 1>("2-bit, bf16 params");
#endif
  }
  if (timing) {
    for (std::size_t mb : {302, 1208}) {
      time_loop<plain, 1, 4, 3, 3>("2-bit", mb);
      time_loop<full, 1, 4, 3, 3>("2-bit factors marks", mb);
#ifndef OTT_BARE_ONLY
      time_loop<full, 1, 12, 1, 3>("2-bit factors marks", mb);
      time_loop<full, 1, 2, 6, 3>("2-bit factors marks", mb);
      time_loop<full, 1, 4, 4, 2>("2-bit factors marks", mb);
      time_loop<full, 2, 12, 1, 2>("2-bit, 8 rows", mb);
      time_loop<full, 2, 4, 3, 2>("2-bit, 8 rows", mb);
      time_loop<full, 2, 8, 1, 3>("2-bit, 8 rows", mb);
      time_loop<shaped<full, 4, 4, 128, 128>, 1, 10, 1, 2>("4-bit", mb);
      time_loop<shaped<full, 4, 4, 128, 128>, 1, 8, 1, 2>("4-bit", mb);
      time_loop<shaped<full, 4, 4, 128, 128>, 1, 7, 1, 3>("4-bit", mb);
      time_loop<shaped<full, 3, 3, 128, 128>, 1, 12, 1, 2>("3-bit", mb);
      time_loop<shaped<full, 3, 3, 128, 128>, 1, 8, 1, 3>("3-bit", mb);
      time_loop<shaped<full, 8, 8, 128, 128>, 1, 5, 1, 2>("8-bit", mb);
      time_loop<shaped<full, 2, 2, 64, 128>, 1, 12, 1, 3>("2-bit, D 64", mb);
      time_loop<shaped<full, 2, 2, 64, 128>, 1, 16, 1, 3>("2-bit, D 64", mb);
      time_loop<shaped<full, 2, 2, 256, 128>, 1, 8, 1, 2>("2-bit, D 256", mb);
#endif
    }
  }
  return good ? 0 : 1;
}
