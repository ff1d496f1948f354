#pragma once

#include <cstdint>

#include <ott/cuda/code_pairs.cuh>
#include <ott/cuda/part_tile.cuh>
#include <ott/layout/group_block.hpp>

// Reads tokens of a group into fp16 rows of shared memory. Warps share the work in jobs, each one
// 16-byte load of codes a lane and plane; a job is done in pieces of one token a lane.
namespace ott {

namespace detail {

/// A lane's words of a row tile and step, the tile's field brought to the lowest bits of each byte.
/// shape    Steps: of the matrix; Run: tiles from `tile` on whose fields are wanted
template <class Plane, int Steps, int Run>
__device__ __forceinline__ uint4 field_words(std::uint32_t const* codes, int tile, int step,
                                             int lane) {
  constexpr int step_groups = Steps / Plane::step_fields;
  int const chunk = tile / Plane::tile_fields * step_groups + step / Plane::step_fields;
  uint4 w = reinterpret_cast<uint4 const*>(codes)[chunk * 32 + lane];
  if constexpr (Plane::step_fields > 1 || Plane::tile_fields > Run) {
    int const field = step % Plane::step_fields * Plane::tile_fields + tile % Plane::tile_fields;
    int const by = field * Plane::bits;
    w = uint4{w.x >> by, w.y >> by, w.z >> by, w.w >> by};
  }
  return w;
}

}  // namespace detail

/// Keys: a job is 32 channels of up to four row tiles. A lane's words hold 8 channels of a token in
/// each field.
template <class P, int Rows>
struct key_pair_job {
  using layout = key_layout<P>;
  using plane = typename layout::codes::low_plane;
  using high_plane = typename layout::codes::high_plane;
  using decoder = pair_decoder<typename P::key_quantizer>;
  static constexpr int steps = layout::map::k_steps;
  static constexpr int run = plane::tile_fields < Rows / 16 ? plane::tile_fields : Rows / 16;
  static constexpr int pieces = 2 * run;

  half* to;  // of the lane's first token
  uint4 low;
  uint4 high;
  detail::pair_params params[4];

  __device__ static constexpr int jobs(int count) { return count / (16 * run) * steps; }

  /// requires tokens [first, first + jobs' count) go to rows from 0 on
  __device__ __forceinline__ void start(operand_rows<P, Rows>& rows, group_block<P> const& block,
                                        int first, int job, int lane) {
    int const quad = lane % 4;
    int const tile = first / 16 + job / steps * run;
    // Lanes of a quad take different steps where their stores would meet in a bank.
    int const turn = steps == 4 ? quad / 2 * 2 : steps == 8 ? quad * 2 : 0;
    int const step = job % steps ^ turn;
    int const channel = quad * 8 * steps + 8 * step;
    to = nullptr;
    if (layout::padded_channels > P::head_dim && channel >= P::head_dim) return;
    to = &rows.items[0][16 * tile + lane / 4 - first][channel];
    low = detail::field_words<plane, steps, run>(block.key_codes(), tile, step, lane);
    if constexpr (decoder::split) {
      high = detail::field_words<high_plane, steps, run>(block.key_codes() + plane::num_words, tile,
                                                         step, lane);
    }
    auto const* const items = block.key_params();
    uint4 const scale = *reinterpret_cast<uint4 const*>(items + channel);
    uint4 zero{};
    if constexpr (layout::num_fields > 1) {
      zero = *reinterpret_cast<uint4 const*>(items + layout::padded_channels + channel);
    }
    params[0] = decoder::bounded({scale.x, zero.x});
    params[1] = decoder::bounded({scale.y, zero.y});
    params[2] = decoder::bounded({scale.z, zero.z});
    params[3] = decoder::bounded({scale.w, zero.w});
  }

  /// Eight channels of one token.
  template <int Piece>
  __device__ __forceinline__ void piece() const {
    if (layout::padded_channels > P::head_dim && to == nullptr) return;
    constexpr bool second = Piece / run != 0;
    constexpr int field = Piece % run;
    std::uint32_t const words[2] = {second ? low.y : low.x, second ? low.w : low.z};
    std::uint32_t const highs[2] = {second ? high.y : high.x, second ? high.w : high.z};
    std::uint32_t x[4];
    OTT_UNROLL
    for (int i = 0; i < 4; ++i) {
      unsigned const select = i % 2 != 0 ? 0x4342 : 0x4140;  // two bytes into two halves
      std::uint32_t const high_pair = decoder::split ? __byte_perm(highs[i / 2], 0, select) : 0;
      x[i] = decoder::template decode<field>(__byte_perm(words[i / 2], 0, select), high_pair,
                                             params[i]);
    }
    constexpr int row = 16 * field + (second ? 8 : 0);
    *reinterpret_cast<uint4*>(to + row * operand_rows<P, Rows>::length) =
        uint4{x[0], x[1], x[2], x[3]};
  }
};

/// Values: a job is 32 tokens of up to four row tiles of channels. A lane's words hold 8 tokens of
/// two channels a tile.
template <class P, int Rows>
struct value_pair_job {
  using layout = value_layout<P>;
  using plane = typename layout::codes::low_plane;
  using high_plane = typename layout::codes::high_plane;
  using decoder = pair_decoder<typename P::value_quantizer>;
  static constexpr int tiles = layout::map::row_tiles;
  static constexpr int steps = layout::map::k_steps;
  static constexpr int unit = tiles % 4 == 0 ? 4 : tiles % 2 == 0 ? 2 : 1;  // tiles of a job
  static constexpr int units = tiles / unit;
  static constexpr int fields = plane::tile_fields < unit ? plane::tile_fields : unit;
  static constexpr int chunks = unit / fields;
  static constexpr int pieces = 8;
  static_assert(layout::width % (2 * unit) == 0);

  half* to;           // of the lane's first token, and channel
  half const* items;  // its parameters
  unsigned odd;       // does the lane begin with the odd ones of its tokens?
  uint4 low[chunks];
  uint4 high[chunks];

  __device__ static constexpr int jobs(int count) { return count / 32 * units; }

  __device__ __forceinline__ void start(operand_rows<P, Rows>& rows, group_block<P> const& block,
                                        int first, int job, int lane) {
    int const row = lane / 4, quad = lane % 4;
    int const step = first / 32 + job / units;
    int const tile = job % units * unit;
    int const channel = row * 2 * tiles + 2 * tile;
    to = nullptr;
    if (layout::padded_channels > P::head_dim && channel >= P::head_dim) return;
    odd = static_cast<unsigned>(row & 1);  // neighbouring rows store to different banks
    to = &rows.items[0][32 * step + 2 * quad - first][channel];
    int const set = layout::width == P::head_dim ? 0 : channel / layout::width;
    items = block.value_params() +
            (set * P::group + 2 * quad * (P::group / 8) + 4 * step) * layout::num_fields;
    OTT_UNROLL
    for (int c = 0; c < chunks; ++c) {
      int const at = tile + c * fields;
      low[c] = detail::field_words<plane, steps, unit>(block.value_codes(), at, step, lane);
      if constexpr (decoder::split) {
        high[c] = detail::field_words<high_plane, steps, unit>(
            block.value_codes() + plane::num_words, at, step, lane);
      }
    }
  }

  /// 2 * unit channels of one token: 16 * (j / 2) + 8 * (j % 2), and one more if odd.
  template <int Piece>
  __device__ __forceinline__ void piece() const {
    if (layout::padded_channels > P::head_dim && to == nullptr) return;
    constexpr int j = Piece % 4;
    unsigned const odd_token = odd ^ (Piece / 4);
    detail::pair_params const p = read_params(odd_token, j);
    // byte odd + 2 * (j % 2) of the words of both channels, into two halves
    unsigned const select = (odd_token + 2 * (j % 2)) * 0x101u + 0x400u;
    std::uint32_t x[unit];
    detail::for_each_field<unit>([&]<int Tile>() {
      std::uint32_t const pair = pick(low[Tile / fields], j / 2, select);
      std::uint32_t const high_pair = decoder::split ? pick(high[Tile / fields], j / 2, select) : 0;
      x[Tile] = decoder::template decode<Tile % fields>(pair, high_pair, p);
    });
    auto* const at = to + (16 * (j / 2) + 8 * (j % 2) + static_cast<int>(odd_token)) *
                              operand_rows<P, Rows>::length;
    if constexpr (unit == 4)
      *reinterpret_cast<uint4*>(at) = uint4{x[0], x[1], x[2], x[3]};
    else if constexpr (unit == 2)
      *reinterpret_cast<uint2*>(at) = uint2{x[0], x[1]};
    else
      *reinterpret_cast<std::uint32_t*>(at) = x[0];
  }

 private:
  __device__ __forceinline__ static std::uint32_t pick(uint4 const& w, int half, unsigned select) {
    return half != 0 ? __byte_perm(w.z, w.w, select) : __byte_perm(w.x, w.y, select);
  }
  __device__ __forceinline__ detail::pair_params read_params(unsigned odd_token, int j) const {
    half const* const at =
        items + (static_cast<int>(odd_token) * (P::group / 8) + j) * layout::num_fields;
    if constexpr (layout::num_fields == 2) {
      std::uint32_t const both = *reinterpret_cast<std::uint32_t const*>(at);
      return decoder::bounded({__byte_perm(both, 0, 0x1010), __byte_perm(both, 0, 0x3232)});
    } else {
      return decoder::bounded({at->bits * 0x10001u, 0});
    }
  }
};

/// Decodes all pieces of one job after another.
template <class Job>
__device__ __forceinline__ void do_job(Job const& job) {
  detail::for_each_field<Job::pieces>([&]<int Piece>() { job.template piece<Piece>(); });
}

}  // namespace ott
