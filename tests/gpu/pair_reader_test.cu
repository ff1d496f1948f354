// Groups read in pairs of fp16, against the block's own word for each element.
#include <ott/cuda/memory.cuh>
#include <ott/cuda/pair_reader.cuh>
#include <ott/cuda/runtime.cuh>
#include <ott/policy/cache_policy.hpp>
#include <ott/policy/symmetric.hpp>

#include "device.hpp"

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

template <class Keys, class Values, int D, int G, int ValueGroup = 0>
struct packed : ott::kivi_policy {
  using key_quantizer = Keys;
  using value_quantizer = Values;
  static constexpr int head_dim = D, group = G, value_group = ValueGroup;
};

constexpr int threads = 96;

/// Reads the group tile by tile; out: keys, then values, [G][D] each.
template <class P, int Tokens>
__global__ void read_group(ott::group_block<P> const* block, ott::half* out) {
  using keys = ott::key_pair_job<P, Tokens>;
  using values = ott::value_pair_job<P, Tokens>;
  __shared__ ott::operand_rows<P, Tokens> rows[2];
  int const lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  for (int first = 0; first < P::group; first += Tokens) {
    int const count = min(Tokens, P::group - first);
    for (int job = warp; job < keys::jobs(count); job += threads / 32) {
      keys one;
      one.start(rows[0], *block, first, job, lane);
      ott::do_job(one);
    }
    for (int job = warp; job < values::jobs(count); job += threads / 32) {
      values one;
      one.start(rows[1], *block, first, job, lane);
      ott::do_job(one);
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < 2 * count * P::head_dim; i += threads) {
      int const which = i / (count * P::head_dim), token = i / P::head_dim % count;
      int const channel = i % P::head_dim;
      out[(which * P::group + first + token) * P::head_dim + channel] =
          rows[which].items[0][token][channel];
    }
    __syncthreads();
  }
}

/// What fp16 makes of an element; where parameters reach to its end, up to a 128th less.
void compare(float want, ott::half got, bool extreme) {
  float const near = std::fmax(-65504.0f, std::fmin(65504.0f, want));
  float const rounding = std::abs(near) * 0x1p-11f + 0x1p-25f;
  REQUIRE(std::abs(ott::to_float(got) - near) <= (extreme ? 65504.0f / 128 : 1.01f * rounding));
}

template <class P, int Tokens>
void check_group(bool extreme) {
  ott_test::random_source random{static_cast<std::uint64_t>(P::head_dim + P::group)};
  auto const block = std::make_unique<ott::group_block<P>>();
  for (auto& word : block->k.ott::template key_half<P>::codes_base::items) {
    word = static_cast<std::uint32_t>(random.bits());
  }
  for (auto& word : block->v.ott::template value_half<P>::codes_base::items) {
    word = static_cast<std::uint32_t>(random.bits());
  }
  double const end = extreme ? 65504 : 1;
  auto const fill = [&]<class Quantizer>(int token, int channel, auto& items, auto layout,
                                         Quantizer, double reach) {
    using type = decltype(layout);
    double const size = extreme || !random.one_in(3) ? reach : 1e-4 * reach;
    double const a = size * (random.uniform() * 2 - 1), b = size * (random.uniform() * 2 - 1);
    auto const fitted =
        Quantizer::fit(static_cast<float>(extreme && a < b ? -size : std::fmin(a, b)),
                       static_cast<float>(extreme ? size : std::fmax(a, b)));
    float fields[type::num_fields];
    std::memcpy(fields, &fitted, sizeof(fitted));
    for (int f = 0; f < type::num_fields; ++f) {
      items[type::param_index(token, channel, f)] = ott::to_param<ott::half>(fields[f]);
    }
  };
  for (int c = 0; c < P::head_dim; ++c) {
    fill(0, c, block->k.ott::template key_half<P>::params_base::items, ott::key_layout<P>{},
         typename P::key_quantizer{}, end);
  }
  for (int t = 0; t < P::group; ++t) {
    for (int c = 0; c < P::head_dim; c += ott::value_group<P>) {
      fill(t, c, block->v.ott::template value_half<P>::params_base::items, ott::value_layout<P>{},
           typename P::value_quantizer{}, end);
    }
  }
  std::size_t const elements = 2 * P::group * P::head_dim;
  auto* const there =
      static_cast<ott::group_block<P>*>(ott::allocate_device(sizeof(ott::group_block<P>)));
  auto* const out = static_cast<ott::half*>(ott::allocate_device(elements * sizeof(ott::half)));
  ott::copy_memory(there, block.get(), sizeof(ott::group_block<P>), nullptr);
  ott::fill_memory(out, 0xff, elements * sizeof(ott::half), nullptr);
  ott::launch("pair_reader_test", read_group<P, Tokens>, {1, threads}, nullptr, there, out);
  std::vector<ott::half> got(elements);
  ott::copy_memory(got.data(), out, elements * sizeof(ott::half), nullptr);
  ott::wait_for(nullptr);
  ott::deallocate_device(there);
  ott::deallocate_device(out);
  for (int t = 0; t < P::group; ++t) {
    for (int c = 0; c < P::head_dim; ++c) {
      CAPTURE(t, c, extreme);
      std::size_t const at = static_cast<std::size_t>(t) * P::head_dim + c;
      compare(block->key(t, c), got[at], extreme);
      compare(block->value(t, c), got[elements / 2 + at], extreme);
    }
  }
}

template <class P, int Tokens = 64>
void check_reader() {
  static_assert(ott::detail::keys_in_pairs<P> && ott::detail::values_in_pairs<P>);
  check_group<P, Tokens>(false);
  check_group<P, Tokens>(true);
}

}  // namespace

TEST_CASE("pairs of codes read as the block says, whatever bits, shapes and parameters") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  using namespace ott;
  check_reader<packed<affine<2>, affine<2>, 128, 128>>();
  check_reader<packed<affine<1>, affine<1>, 128, 128>>();
  check_reader<packed<affine<3>, affine<3>, 128, 128>>();
  check_reader<packed<affine<4>, symmetric<4>, 64, 256, 16>>();
  check_reader<packed<affine<8>, affine<8>, 128, 64>>();
  check_reader<packed<symmetric<3>, affine<1>, 96, 96, 48>>();
  check_reader<packed<symmetric<2>, symmetric<8>, 112, 160>>();
  check_reader<packed<affine<1>, affine<3>, 80, 64>>();
  check_reader<packed<affine<2>, affine<2>, 80, 32>, 32>();
  check_reader<packed<affine<2>, affine<4>, 256, 64>, 32>();
  check_reader<packed<symmetric<8>, affine<2>, 16, 224>>();
}
