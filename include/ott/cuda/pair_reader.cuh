#pragma once

#include <cstdint>

#include <ott/cuda/code_pairs.cuh>
#include <ott/cuda/part_tile.cuh>
#include <ott/layout/group_block.hpp>

// Reads tokens of a group into fp16 rows of shared memory, warps sharing the work in jobs of one
// 16-byte load of codes a lane and plane.
namespace ott {

/// Keys: a job is 32 channels of up to four row tiles. A lane's words hold 8 channels of a token in
/// each field.
template <class P, int Rows>
struct key_pair_reader {
  using layout = key_layout<P>;
  using plane = typename layout::codes::low_plane;
  using high_plane = typename layout::codes::high_plane;
  using decoder = pair_decoder<typename P::key_quantizer>;
  static constexpr int steps = layout::map::k_steps;
  static constexpr int run = plane::tile_fields < Rows / 16 ? plane::tile_fields : Rows / 16;

  __device__ static int jobs(int count) { return count / (16 * run) * steps; }

  /// Decodes one job of tokens [first, ...) into rows from 0 on.
  __device__ __forceinline__ static void read(operand_rows<P, Rows>& rows,
                                              group_block<P> const& block, int first, int job,
                                              int lane) {
    int const row = lane / 4, quad = lane % 4;
    int const tile = first / 16 + job / steps * run;
    // Lanes of a quad take different steps where their stores would meet in a bank.
    int const turn = steps == 4 ? quad / 2 * 2 : steps == 8 ? quad * 2 : 0;
    int const step = job % steps ^ turn;
    int const channel = quad * 8 * steps + 8 * step;
    if (channel >= P::head_dim) return;
    uint4 low = words<plane>(block.key_codes(), tile, step, lane);
    uint4 high{};
    if constexpr (decoder::split) {
      high = words<high_plane>(block.key_codes() + plane::num_words, tile, step, lane);
    }
    detail::pair_params p[4];
    auto const* const params = block.key_params();
    uint4 const scale = *reinterpret_cast<uint4 const*>(params + channel);
    uint4 zero{};
    if constexpr (layout::num_fields > 1) {
      zero = *reinterpret_cast<uint4 const*>(params + layout::padded_channels + channel);
    }
    p[0] = decoder::bounded({scale.x, zero.x});
    p[1] = decoder::bounded({scale.y, zero.y});
    p[2] = decoder::bounded({scale.z, zero.z});
    p[3] = decoder::bounded({scale.w, zero.w});
    OTT_UNROLL
    for (int second = 0; second < 2; ++second) {
      std::uint32_t const front = second != 0 ? low.y : low.x;
      std::uint32_t const back = second != 0 ? low.w : low.z;
      std::uint32_t const front_high = second != 0 ? high.y : high.x;
      std::uint32_t const back_high = second != 0 ? high.w : high.z;
      std::uint32_t const pairs[4] = {spread(front, 0), spread(front, 1), spread(back, 0),
                                      spread(back, 1)};
      std::uint32_t const highs[4] = {spread(front_high, 0), spread(front_high, 1),
                                      spread(back_high, 0), spread(back_high, 1)};
      int const token = 16 * tile + row + 8 * second - first;
      detail::for_each_field<run>([&]<int Field>() {
        std::uint32_t x[4];
        OTT_UNROLL
        for (int i = 0; i < 4; ++i)
          x[i] = decoder::template decode<Field>(pairs[i], highs[i], p[i]);
        *reinterpret_cast<uint4*>(&rows.items[0][token + 16 * Field][channel]) =
            uint4{x[0], x[1], x[2], x[3]};
      });
    }
  }

 private:
  /// A lane's words of a tile and step, their field brought to the lowest bits of each byte.
  template <class Plane>
  __device__ __forceinline__ static uint4 words(std::uint32_t const* codes, int tile, int step,
                                                int lane) {
    constexpr int groups = steps / Plane::step_fields;
    int const chunk = tile / Plane::tile_fields * groups + step / Plane::step_fields;
    uint4 w = reinterpret_cast<uint4 const*>(codes)[chunk * 32 + lane];
    if constexpr (Plane::step_fields > 1 || Plane::tile_fields > run) {
      int const field = step % Plane::step_fields * Plane::tile_fields + tile % Plane::tile_fields;
      int const by = field * Plane::bits;
      w = uint4{w.x >> by, w.y >> by, w.z >> by, w.w >> by};
    }
    return w;
  }
  /// Bytes 2 * half and 2 * half + 1 as the low bytes of two halves.
  __device__ __forceinline__ static std::uint32_t spread(std::uint32_t word, int half) {
    return __byte_perm(word, 0, half != 0 ? 0x4342 : 0x4140);
  }
};

/// Values: a job is 32 tokens of up to four row tiles of channels. A lane's words hold 8 tokens of
/// two channels a tile.
template <class P, int Rows>
struct value_pair_reader {
  using layout = value_layout<P>;
  using plane = typename layout::codes::low_plane;
  using high_plane = typename layout::codes::high_plane;
  using decoder = pair_decoder<typename P::value_quantizer>;
  static constexpr int tiles = layout::map::row_tiles;
  static constexpr int steps = layout::map::k_steps;
  static constexpr int unit = tiles % 4 == 0 ? 4 : tiles % 2 == 0 ? 2 : 1;  // tiles of a job
  static constexpr int units = tiles / unit;
  static_assert(layout::width % (2 * unit) == 0);

  __device__ static int jobs(int count) { return count / 32 * units; }

  __device__ __forceinline__ static void read(operand_rows<P, Rows>& rows,
                                              group_block<P> const& block, int first, int job,
                                              int lane) {
    int const row = lane / 4, quad = lane % 4;
    int const step = first / 32 + job / units;
    int const tile = job % units * unit;
    int const channel = row * 2 * tiles + 2 * tile;
    if (channel >= P::head_dim) return;
    plane_words<plane> const low(block.value_codes(), tile, step, lane);
    plane_words<high_plane> high;
    if constexpr (decoder::split) {
      high = plane_words<high_plane>(block.value_codes() + plane::num_words, tile, step, lane);
    }
    OTT_UNROLL
    for (int i = 0; i < 2; ++i) {
      int const odd = i ^ (row & 1);  // neighbouring rows store to different banks
      detail::pair_params params[4];
      read_params(params, block.value_params(), channel, 2 * quad + odd, step);
      OTT_UNROLL
      for (int j = 0; j < 4; ++j) {  // token 16 * (j / 2) + 8 * (j % 2) + 2 * quad + odd
        int const byte = odd + 2 * (j % 2);
        std::uint32_t x[unit];
        detail::for_each_field<unit>([&]<int Tile>() {
          std::uint32_t high_pair = 0;
          if constexpr (decoder::split) high_pair = high.template pair<Tile>(j / 2, byte);
          x[Tile] = decode<Tile>(low.template pair<Tile>(j / 2, byte), high_pair, params[j]);
        });
        int const token = 32 * step + 16 * (j / 2) + 8 * (j % 2) + 2 * quad + odd - first;
        auto* const to = &rows.items[0][token][channel];
        if constexpr (unit == 4)
          *reinterpret_cast<uint4*>(to) = uint4{x[0], x[1], x[2], x[3]};
        else if constexpr (unit == 2)
          *reinterpret_cast<uint2*>(to) = uint2{x[0], x[1]};
        else
          *reinterpret_cast<std::uint32_t*>(to) = x[0];
      }
    }
  }

 private:
  /// A lane's words of one plane for `unit` tiles, the first tile's field in the lowest bits.
  template <class Plane>
  struct plane_words {
    static constexpr int fields = Plane::tile_fields < unit ? Plane::tile_fields : unit;
    static constexpr int chunks = unit / fields;
    uint4 w[chunks];

    plane_words() = default;
    __device__ __forceinline__ plane_words(std::uint32_t const* codes, int tile, int step,
                                           int lane) {
      constexpr int groups = steps / Plane::step_fields;
      OTT_UNROLL
      for (int c = 0; c < chunks; ++c) {
        int const chunk = (tile / Plane::tile_fields + c) * groups + step / Plane::step_fields;
        w[c] = reinterpret_cast<uint4 const*>(codes)[chunk * 32 + lane];
        if constexpr (Plane::step_fields > 1 || Plane::tile_fields > unit) {
          int const field =
              step % Plane::step_fields * Plane::tile_fields + tile % Plane::tile_fields;
          int const by = field * Plane::bits;
          w[c] = uint4{w[c].x >> by, w[c].y >> by, w[c].z >> by, w[c].w >> by};
        }
      }
    }
    /// Byte `byte` of the words of both channels, as the low bytes of two halves.
    template <int Tile>
    __device__ __forceinline__ std::uint32_t pair(int half, int byte) const {
      uint4 const& x = w[Tile / fields];
      unsigned const select = static_cast<unsigned>(byte) * 0x101u + 0x400u;
      return half != 0 ? __byte_perm(x.z, x.w, select) : __byte_perm(x.x, x.y, select);
    }
  };

  template <int Tile>
  __device__ __forceinline__ static std::uint32_t decode(std::uint32_t low, std::uint32_t high,
                                                         detail::pair_params p) {
    constexpr int field = Tile % plane_words<plane>::fields;
    static_assert(!decoder::split || field == Tile % plane_words<high_plane>::fields);
    return decoder::template decode<field>(low, high, p);
  }

  /// Parameters of tokens 32 * step + 8 * j + column.
  __device__ __forceinline__ static void read_params(detail::pair_params (&p)[4], half const* items,
                                                     int channel, int column, int step) {
    constexpr int fields = layout::num_fields;
    int const set = layout::width == P::head_dim ? 0 : channel / layout::width;
    half const* const at = items + (set * P::group + column * (P::group / 8) + 4 * step) * fields;
    if constexpr (fields == 2) {
      uint4 const x = *reinterpret_cast<uint4 const*>(at);
      std::uint32_t const each[4] = {x.x, x.y, x.z, x.w};
      OTT_UNROLL
      for (int j = 0; j < 4; ++j) {
        p[j] = {__byte_perm(each[j], 0, 0x1010), __byte_perm(each[j], 0, 0x3232)};
      }
    } else {
      uint2 const x = *reinterpret_cast<uint2 const*>(at);
      OTT_UNROLL
      for (int j = 0; j < 4; ++j) {
        p[j] = {__byte_perm(j / 2 != 0 ? x.y : x.x, 0, j % 2 != 0 ? 0x3232 : 0x1010), 0};
      }
    }
    OTT_UNROLL
    for (int j = 0; j < 4; ++j) p[j] = decoder::bounded(p[j]);
  }
};

}  // namespace ott
