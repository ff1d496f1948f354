#pragma once
/// Policies that between them reach every branch of the device lane.

#include <ott/policy/cache_policy.hpp>
#include <ott/policy/min_l2.hpp>
#include <ott/policy/symmetric.hpp>

namespace ott_test {

/// A quantizer of the user's own: the integer path knows nothing of it.
struct cube_step {
  static constexpr char const* name = "cube";
  static constexpr int bits = 4;
  struct params {
    float reach;
  };
  OTT_HD static constexpr params fit(float lo, float hi) { return {ott::greater(-lo, hi)}; }
  OTT_HD static constexpr float decode(params p, int code) {
    float const x = static_cast<float>(code - 8) * 0.125f;
    return ott::exact_mul(p.reach, ott::exact_mul(x, ott::exact_mul(x, x)));
  }
  OTT_HD static constexpr int encode(params p, float x) {
    int best = 8;
    for (int code = 0; code < 16; ++code) {
      float const now = ott::exact_abs(ott::exact_sub(decode(p, code), x));
      if (now < ott::exact_abs(ott::exact_sub(decode(p, best), x))) best = code;
    }
    return best;
  }
};

/// A rotation of the user's own: swaps neighbours, one of them negated. Orthogonal, its own
/// inverse.
struct swap_pairs {
  static constexpr char const* name = "swap_pairs";
  static constexpr bool identity = false;
  template <int D, class Row>
  OTT_HD static constexpr void apply(Row&& row) {
    for (int c = 0; c < D; c += 2) {
      float const a = row[c];
      row[c] = -row[c + 1];
      row[c + 1] = -a;
    }
  }
};

/// Another: the channels in reverse order, negated; threads may share a row.
struct mirror {
  static constexpr char const* name = "mirror";
  static constexpr bool identity = false;
  template <int D, class Row>
  OTT_HD static constexpr void apply(Row&& row) {
    for (int c = 0; c < D / 2; ++c) apply_unit<D, 0>(row, c);
  }
  template <int D>
  static constexpr int num_steps = 1;
  template <int D, int Step>
  static constexpr int unit_size = 2;
  template <int D, int Step, class Row>
  OTT_HD static constexpr void apply_unit(Row&& row, int c) {
    float const a = row[c];
    row[c] = -row[D - 1 - c];
    row[D - 1 - c] = -a;
  }
};
/// The same by one thread.
struct mirror_whole {
  static constexpr char const* name = "mirror_whole";
  static constexpr bool identity = false;
  template <int D, class Row>
  OTT_HD static constexpr void apply(Row&& row) {
    mirror::apply<D>(row);
  }
};

struct bf16_four : ott::rotated_policy {
  using element = ott::bf16;
  using param = ott::bf16;
  using key_quantizer = ott::affine<4>;
  using value_quantizer = ott::symmetric<4>;
  using value_fit = ott::min_max;
  static constexpr int head_dim = 64, group = 64, residual = 16, pool = 5, evicted = 9;
};
struct float_three : ott::paper_policy {
  using element = float;
  using param = float;
  using key_quantizer = ott::affine<3>;
  using value_quantizer = ott::symmetric<3>;
  using selection = ott::min_l2;
  using key_rotation = ott::hadamard;
  using value_rotation = ott::hadamard;
  static constexpr int head_dim = 80, group = 32, residual = 0, pool = 1, evicted = 40;
  static constexpr int value_group = 16;
};
struct wide_two : ott::paper_policy {
  static constexpr int head_dim = 256, group = 64, pool = 4;
  using substitution = ott::zero_substitute;
};
struct wide_bf16 : ott::rotated_policy {
  using element = ott::bf16;
  static constexpr int head_dim = 256;
};
struct rotated_96 : ott::rotated_policy {
  static constexpr int head_dim = 96, group = 64;
};
struct mirrored : ott::rotated_policy {
  using key_rotation = mirror;
  using value_rotation = mirror_whole;
  static constexpr int head_dim = 112, group = 64, residual = 16;
};
struct dense_bf16 : ott::dense_policy {
  using element = ott::bf16;
  static constexpr int head_dim = 96, group = 96;
};
struct dense_keys : ott::paper_policy {
  using element = float;
  using key_quantizer = ott::no_quantizer;
  using value_quantizer = ott::affine<1>;
  static constexpr int head_dim = 64, group = 256, residual = 300;
};
struct turned : ott::paper_policy {
  using key_quantizer = ott::affine<8>;
  using value_quantizer = cube_step;
  using key_granularity = ott::per_token;
  using value_granularity = ott::per_channel;
  using key_rotation = swap_pairs;
  using value_rotation = swap_pairs;
  using key_factor = ott::token_norm;
  static constexpr int head_dim = 112, group = 160, pool = 300, evicted = 0;
};

}  // namespace ott_test
