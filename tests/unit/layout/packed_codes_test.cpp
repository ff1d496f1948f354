// Both maps against the byte map as it is written down, for every width, head_dim and group size.
#include <cstdint>
#include <vector>

#include <ott/layout/packed_codes.hpp>
#include <support/catch.hpp>

namespace {

/// Where a code lies, by the text of docs/layout.md: nothing of the header's.
struct bit_place {
  int word;
  int shift;
};

struct written_map {
  int bits, row_tiles, k_steps;

  bit_place of(int tile, int row, int kstep, int half, int quad, int byte) const {
    int const fields = 8 / bits;
    int ft = fields;
    while (row_tiles % ft != 0) ft /= 2;
    int const fs = fields / ft;
    int const chunk = tile / ft * (k_steps / fs) + kstep / fs;
    int const field = kstep % fs * ft + tile % ft;
    int const lane = row % 8 * 4 + quad;
    return {chunk * 128 + lane * 4 + row / 8 + 2 * half, 8 * byte + bits * field};
  }
  int num_words() const { return row_tiles * 16 * k_steps * 32 * bits / 32; }
};

/// Key: token = 16 tile + row; channel = quad * 8S + 8 kstep + 4 half + byte.
bit_place key_place(written_map m, int token, int channel) {
  int const own = channel % (8 * m.k_steps);
  return m.of(token / 16, token % 16, own / 8, own % 8 / 4, channel / (8 * m.k_steps), own % 4);
}
/// Value: channel = r * 2M + 2 tile + s, row = r + 8s; token = 32 kstep + 16 half + 2 quad + {0, 1,
/// 8, 9}.
bit_place value_place(written_map m, int token, int channel) {
  int const own = channel % (2 * m.row_tiles);
  int const row = channel / (2 * m.row_tiles) + 8 * (own % 2);
  for (int quad = 0; quad < 4; ++quad) {
    for (int byte = 0; byte < 4; ++byte) {
      int const offset[] = {0, 1, 8, 9};
      if (token % 16 == 2 * quad + offset[byte]) {
        return m.of(own / 2, row, token / 32, token / 16 % 2, quad, byte);
      }
    }
  }
  return {-1, -1};
}

int code_at(int token, int channel, int bits) {
  auto const mixed = static_cast<unsigned>(token * 2654435761u + channel * 40503u * 65537u);
  return static_cast<int>(mixed >> 13 & ((1u << bits) - 1u));
}

/// One map of the header, with its arguments at run time: the check below is compiled once.
struct map_under_test {
  int bits, group, head_dim, row_tiles, k_steps, padded_channels, num_words;
  std::uint32_t (*make_word)(int word);
  int (*get)(std::uint32_t const* words, int token, int channel);
  bool (*comes_back)(int token, int channel);  // from its place to the same element
};

template <int Bits, int G, int D, class Map>
map_under_test under_test() {
  using codes = ott::packed_codes<Bits, Map>;
  return {Bits,
          G,
          D,
          Map::row_tiles,
          Map::k_steps,
          Map::padded_channels,
          codes::num_words,
          [](int word) {
            return codes::make_word(word,
                                    [](int t, int c) { return c < D ? code_at(t, c, Bits) : 0; });
          },
          codes::get,
          [](int t, int c) {
            auto const p = Map::place(t, c);
            return Map::token(p) == t && Map::channel(p) == c;
          }};
}

void check_map(map_under_test const& map, bit_place (*place)(written_map, int, int)) {
  int const bits = map.bits;
  INFO("bits " << bits << " group " << map.group << " head_dim " << map.head_dim);
  REQUIRE(map.padded_channels >= map.head_dim);
  REQUIRE(map.num_words * 32 == bits * map.group * map.padded_channels);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(map.num_words));
  for (int w = 0; w < map.num_words; ++w) words[static_cast<std::size_t>(w)] = map.make_word(w);

  // The same bytes from the written map, plane by plane; every bit is claimed at most once.
  std::vector<std::uint32_t> want(words.size(), 0);
  std::vector<std::uint32_t> claimed(words.size(), 0);
  bool clash = false;
  auto const put = [&](int base, written_map plane, int token, int channel, int value) {
    bit_place const at = place(plane, token, channel);
    auto const word = static_cast<std::size_t>(base + at.word);
    std::uint32_t const mask = ((1u << plane.bits) - 1u) << at.shift;
    clash = clash || at.word < 0 || word >= want.size() || (claimed[word] & mask) != 0;
    if (clash) return;
    claimed[word] |= mask;
    want[word] |= static_cast<std::uint32_t>(value) << at.shift;
  };
  written_map const low{bits == 3 ? 2 : bits, map.row_tiles, map.k_steps};
  written_map const high{1, map.row_tiles, map.k_steps};
  int wrong = 0;
  for (int t = 0; t < map.group; ++t) {
    for (int c = 0; c < map.padded_channels; ++c) {
      int const code = c < map.head_dim ? code_at(t, c, bits) : 0;
      put(0, low, t, c, code & ((1 << low.bits) - 1));
      if (bits == 3) put(low.num_words(), high, t, c, code >> 2);
      wrong += map.get(words.data(), t, c) == code ? 0 : 1;
      wrong += map.comes_back(t, c) ? 0 : 1;
    }
  }
  REQUIRE_FALSE(clash);
  REQUIRE(wrong == 0);
  REQUIRE(words == want);
  for (std::uint32_t const word : claimed) wrong += word == ~0u ? 0 : 1;  // no bit is left over
  REQUIRE(wrong == 0);
}

template <int Bits, int G, int D>
void check_both() {
  check_map(under_test<Bits, G, D, ott::key_map<Bits, G, D>>(), key_place);
  check_map(under_test<Bits, G, D, ott::value_map<Bits, G, D>>(), value_place);
}
template <int Bits, int G>
void check_head_dims() {
  check_both<Bits, G, 16>();
  check_both<Bits, G, 64>();
  check_both<Bits, G, 80>();
  check_both<Bits, G, 96>();
  check_both<Bits, G, 112>();
  check_both<Bits, G, 128>();
  check_both<Bits, G, 256>();
}
template <int Bits>
void check_groups() {
  check_head_dims<Bits, 32>();
  check_head_dims<Bits, 64>();
  check_head_dims<Bits, 128>();
}

}  // namespace

TEST_CASE("packed codes: 1 bit") { check_groups<1>(); }
TEST_CASE("packed codes: 2 bits") { check_groups<2>(); }
TEST_CASE("packed codes: 3 bits are a plane of 2 and a plane of 1") { check_groups<3>(); }
TEST_CASE("packed codes: 4 bits") { check_groups<4>(); }
TEST_CASE("packed codes: 8 bits") { check_groups<8>(); }

TEST_CASE("packed codes: the paper's keys need no shift by step, and no padding at 128 channels") {
  using plane = ott::packed_codes<2, ott::key_map<2, 128, 128>>::low_plane;
  static_assert(plane::tile_fields == 4 && plane::step_fields == 1);
  static_assert(ott::key_map<2, 128, 128>::padded_channels == 128);
  static_assert(ott::value_map<2, 128, 128>::padded_channels == 128);
  static_assert(ott::key_map<2, 128, 80>::padded_channels == 96);
  SUCCEED();
}
