// Whole words against codes one by one, at every width of code and awkward shape.
#include <memory>
#include <vector>

#include <ott/algo/pack.hpp>
#include <support/catch.hpp>
#include <support/random_kv.hpp>

namespace {

template <int Bits, int HeadDim, int Group, bool Exchanged, int ValueGroup = 0>
struct shaped : ott::paper_policy {
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
  using key_granularity = std::conditional_t<Exchanged, ott::per_token, ott::per_channel>;
  using value_granularity = std::conditional_t<Exchanged, ott::per_channel, ott::per_token>;
  static constexpr int head_dim = HeadDim;
  static constexpr int group = Group;
  static constexpr int value_group = ValueGroup;
};

template <class P, class Layout, class Quantizer>
void check_tensor(ott::flush_scratch<P>& scratch) {
  using codes = typename Layout::codes;
  using tile = ott::sliced_tile<P, Quantizer, Layout>;
  for (int s = 0; s < tile::num_slices; ++s) {
    auto const params = tile{&scratch}.params_of(s);
    ott::detail::keep_bounds<P, ott::min_max, Quantizer, Layout>(scratch, s, params);
  }
  std::vector<std::uint32_t> words(static_cast<std::size_t>(codes::num_words), 0xdeadbeefu);
  ott::pack_codes<P, Quantizer, Layout, ott::min_max>(ott::serial_team{}, scratch, words.data());
  auto const code = [&](int token, int channel) {
    if (channel >= P::head_dim) return 0;
    float const x = scratch.marked(token) && scratch.num_traced != 0
                        ? scratch.stand_in[channel]
                        : scratch.tile.value(token, channel);
    return Quantizer::encode(tile{&scratch}.params_of(tile::slice_of(token, channel)), x);
  };
  for (int word = 0; word < codes::num_words; ++word) {
    REQUIRE(words[static_cast<std::size_t>(word)] == codes::make_word(word, code));
  }
}

template <class P>
void check(std::uint64_t seed) {
  INFO("head_dim " << P::head_dim << ", group " << P::group << ", " << P::key_quantizer::bits);
  ott_test::random_source random{seed};
  auto const scratch = std::make_unique<ott::flush_scratch<P>>();
  auto const small = [&] { return static_cast<float>(random.below(4000) - 2000) / 512.0f; };
  auto const pair = [&] {
    return ott::from_float<ott::half>(small()).bits |
           static_cast<std::uint32_t>(ott::from_float<ott::half>(small()).bits) << 16;
  };
  for (auto& word : scratch->tile.words) word = pair();
  for (float& x : scratch->stand_in) x = small();
  for (int i = 0; i < ott::flush_scratch<P>::num_params; i += 2) {
    auto const scale = ott::exact_abs(0.25f * small());
    scratch->params[i] = ott::to_float(ott::from_float<ott::half>(scale));
    scratch->params[i + 1] = ott::to_float(ott::from_float<ott::half>(small()));
  }
  scratch->num_traced = static_cast<int>(seed % 3);
  scratch->marks[0] = scratch->num_traced == 0 ? 0u : 0x80010004u;
  for (int word = 1; word < P::group / 32; ++word) scratch->marks[word] = 1u << word;
  check_tensor<P, ott::key_layout<P>, typename P::key_quantizer>(*scratch);
  check_tensor<P, ott::value_layout<P>, typename P::value_quantizer>(*scratch);
}

template <int Bits>
void check_shapes() {
  check<shaped<Bits, 16, 32, false>>(1);
  check<shaped<Bits, 80, 32, false>>(2);
  check<shaped<Bits, 80, 96, true>>(3);
  check<shaped<Bits, 112, 64, false, 16>>(4);
  check<shaped<Bits, 112, 160, true>>(5);
  check<shaped<Bits, 128, 128, false>>(6);
  check<shaped<Bits, 128, 128, true>>(7);
  check<shaped<Bits, 64, 256, false>>(8);
  check<shaped<Bits, 256, 64, false, 32>>(9);
  check<shaped<Bits, 48, 96, false>>(10);
}

}  // namespace

TEST_CASE("pack: words hold what codes one by one would put there") {
  check_shapes<1>();
  check_shapes<2>();
  check_shapes<3>();
  check_shapes<4>();
  check_shapes<8>();
}
