// Sizes and offsets against tables made by hand, and what a block reads after it was written.
#include <cstddef>
#include <memory>
#include <set>

#include <ott/layout/footprint.hpp>
#include <ott/layout/group_block.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

namespace {

using ott_test::small;

template <int Bits, int D = 128, int G = 128>
struct sized : ott::paper_policy {
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
  static constexpr int head_dim = D;
  static constexpr int group = G;
};

/// codes, then 2-byte parameters, then 2-byte factors; codes, parameters, 16-aligned marks; halves
/// of 128.
struct expected {
  std::size_t key_params, key_half, value_params, marks, block;
};

template <class P>
expected layout_of() {
  auto const block = std::make_unique<ott::group_block<P>>();
  auto const* const start = reinterpret_cast<char const*>(block.get());
  auto const from = [](char const* base, void const* p) {
    return static_cast<std::size_t>(static_cast<char const*>(p) - base);
  };
  REQUIRE(from(start, block->key_codes()) == 0);
  auto const* const value_start = reinterpret_cast<char const*>(&block->v);
  REQUIRE(from(value_start, block->value_codes()) == 0);
  REQUIRE(from(start, value_start) == sizeof(ott::key_half<P>));
  REQUIRE(sizeof(ott::group_block<P>) % 128 == 0);
  REQUIRE(alignof(ott::group_block<P>) == 128);
  std::size_t key_params = 0;
  std::size_t value_params = 0;
  if constexpr (ott::key_layout<P>::num_param_items > 0)
    key_params = from(start, block->key_params());
  if constexpr (ott::value_layout<P>::num_param_items > 0) {
    value_params = from(value_start, block->value_params());
  }
  return {key_params, sizeof(ott::key_half<P>), value_params, from(value_start, block->v.marks),
          sizeof(ott::group_block<P>)};
}

template <class P>
void check_layout(expected want) {
  expected const got = layout_of<P>();
  CHECK(got.key_params == want.key_params);
  CHECK(got.key_half == want.key_half);
  CHECK(got.value_params == want.value_params);
  CHECK(got.marks == want.marks);
  CHECK(got.block == want.block);
}

template <class P>
void check_reads() {
  auto const block = std::make_unique<ott::group_block<P>>();
  using keys = ott::key_layout<P>;
  using values = ott::value_layout<P>;
  std::set<int> seen;
  for (int t = 0; t < P::group; ++t) {
    seen.insert(ott::token_slot<P::group>(t));
    for (int c = 0; c < P::head_dim; ++c) {
      for (int f = 0; f < keys::num_fields; ++f) {
        REQUIRE(keys::param_index(t, c, f) < keys::num_param_items);
        block->key_params()[keys::param_index(t, c, f)] =
            ott::from_float<typename P::param>(f == 0 ? 2.0f : 0.5f);
      }
      for (int f = 0; f < values::num_fields; ++f) {
        REQUIRE(values::param_index(t, c, f) < values::num_param_items);
        block->value_params()[values::param_index(t, c, f)] =
            ott::from_float<typename P::param>(f == 0 ? 4.0f : -1.0f);
      }
    }
  }
  REQUIRE(seen.size() == static_cast<std::size_t>(P::group));
  REQUIRE(*seen.rbegin() == P::group - 1);
  auto const code = [](int token, int channel) {
    return channel < P::head_dim ? (token + channel) % 4 : 0;
  };
  for (int w = 0; w < keys::codes::num_words; ++w)
    block->key_codes()[w] = keys::codes::make_word(w, code);
  for (int w = 0; w < values::codes::num_words; ++w) {
    block->value_codes()[w] = values::codes::make_word(w, code);
  }
  if constexpr (P::key_factor::present) {
    for (int t = 0; t < P::group; ++t) {
      block->key_factors()[ott::token_slot<P::group>(t)] = ott::from_float<ott::half>(0.25f);
    }
  }
  float const factor = P::key_factor::present ? 0.25f : 1.0f;
  for (int t = 0; t < P::group; ++t) {
    for (int c = 0; c < P::head_dim; ++c) {
      REQUIRE(block->key(t, c) == factor * (0.5f + 2.0f * static_cast<float>((t + c) % 4)));
      REQUIRE(block->value(t, c) == -1.0f + 4.0f * static_cast<float>((t + c) % 4));
    }
  }
}

}  // namespace

TEST_CASE("group block: byte offsets, by hand") {
  check_layout<ott::paper_policy>({4096, 4608, 4096, 4608, 9344});
  check_layout<ott::rotated_policy>({4096, 4864, 4096, 4608, 9600});
  check_layout<ott::kivi_policy>({4096, 4608, 4096, 4608, 9344});
  check_layout<ott::dense_policy>({0, 32768, 0, 32768, 32768 + 32896});
  check_layout<sized<1>>({2048, 2560, 2048, 2560, 2560 + 2688});
  check_layout<sized<3>>({6144, 6656, 6144, 6656, 6656 + 6784});
  check_layout<sized<4>>({8192, 8704, 8192, 8704, 8704 + 8832});
  check_layout<sized<8>>({16384, 16896, 16384, 16896, 16896 + 17024});
  check_layout<sized<2, 64>>({2048, 2304, 2048, 2560, 2304 + 2688});
  check_layout<sized<2, 80>>({3072, 3456, 2560, 3072, 3456 + 3200});   // keys padded to 96 channels
  check_layout<sized<2, 112>>({4096, 4608, 3584, 4096, 4608 + 4224});  // keys padded to 128
  check_layout<sized<2, 256>>({8192, 9216, 8192, 8704, 9216 + 8832});
  check_layout<sized<2, 64, 32>>({512, 768, 512, 640, 768 + 768});
  // float parameters; keys per token, values per channel; parameters per 16 value channels
  check_layout<ott_test::eight_bit>({2048, 2560, 2048, 2304, 2560 + 2432});
  check_layout<ott_test::exchanged>({1024, 1152, 512, 768, 1152 + 896});
  check_layout<ott_test::value_groups>({1024, 1536, 1536, 2432, 1536 + 2560});
  check_layout<ott_test::half_dense>({0, 8192, 512, 640, 8192 + 768});
}

TEST_CASE("group block: elements read as factor * decode(parameters, code)") {
  check_reads<ott::paper_policy>();
  check_reads<ott_test::small_rotated>();
  check_reads<ott_test::three_bit>();
  check_reads<ott_test::four_bit>();
  check_reads<ott_test::eight_bit>();
  check_reads<ott_test::exchanged>();
  check_reads<ott_test::value_groups>();
}

TEST_CASE("group block: marks are one bit a token") {
  auto const block = std::make_unique<ott::group_block<ott_test::one_bit>>();
  block->v.marks[0] = 1u << 5;
  block->v.marks[1] = 1u << 31;
  for (int t = 0; t < 64; ++t) CHECK(block->marked(t) == (t == 5 || t == 63));
}

TEST_CASE("footprint: the bits the papers speak of, and what is allocated") {
  using paper = ott::footprint<ott::paper_policy>;
  static_assert(paper::bytes_per_group() == 9344);
  CHECK(paper::bits_per_element() == 2.25);
  CHECK(ott::footprint<ott::rotated_policy>::bits_per_element() == 2.3125);
  CHECK(ott::footprint<ott::dense_policy>::bits_per_element() == 16.0);
  CHECK(ott::footprint<sized<3>>::bits_per_element() == 3.25);
  CHECK(ott::footprint<sized<2, 80>>::bits_per_element() ==
        Approx(2.0 + (160 + 256) * 16.0 / (2 * 128 * 80)));
  CHECK(paper::bits_per_element_stored() == 8.0 * 9344 / (2 * 128 * 128));
  CHECK(paper::bytes_per_token() == 73.0);
  std::size_t const head = sizeof(ott::head_state<ott::paper_policy>);
  CHECK(paper::bytes_per_head() == head);
  CHECK(paper::bytes_per_sequence(0, 2, 4) == 8 * head);
  CHECK(paper::bytes_per_sequence(159, 2, 4) == 8 * head);
  CHECK(paper::bytes_per_sequence(160, 2, 4) == 8 * (head + 9344));
  CHECK(paper::bytes_per_sequence(8192, 1, 1) == head + 63 * 9344);
  CHECK(paper::bits_per_element_of_sequence(8192) ==
        Approx(8.0 * static_cast<double>(paper::bytes_per_sequence(8192, 1, 1)) /
               (2.0 * 8192 * 128)));
}
