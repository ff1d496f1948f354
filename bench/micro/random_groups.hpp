#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <ott/layout/group_block.hpp>
#include <ott/policy/symmetric.hpp>

// Groups and queries of the shape that breaks careless kernels, and the policies they are tried
// with.
namespace micro {

/// Random groups with channels of very different scale, a few marks and a few flat or denormal
/// tokens.
template <class P>
std::vector<ott::group_block<P>> random_groups(int count, std::mt19937& rng) {
  using param = typename P::param;
  std::vector<ott::group_block<P>> groups(count);
  std::normal_distribution<float> normal;
  auto const stored = [](float x) { return ott::to_param<param>(x); };
  std::vector<float> channel(P::head_dim), bias(P::head_dim);
  for (int c = 0; c < P::head_dim; ++c) {
    channel[c] = 0.3f * std::exp(0.7f * normal(rng)) * (c % 37 == 5 ? 8.0f : 1.0f);
    bias[c] = 2.0f * channel[c] * normal(rng);
  }
  for (auto& b : groups) {
    std::memset(static_cast<void*>(&b), 0, sizeof(b));
    std::vector<int> flat(P::group);
    for (int t = 0; t < P::group; ++t) flat[t] = rng() % 50 == 0;
    constexpr int key_top = (1 << P::key_quantizer::bits) - 1;
    constexpr int value_top = (1 << P::value_quantizer::bits) - 1;
    using keys = ott::key_layout<P>;
    using values = ott::value_layout<P>;
    std::vector<int> kc(P::group * P::head_dim), vc(P::group * P::head_dim);
    for (auto& c : kc) c = static_cast<int>(rng() & key_top);
    for (std::size_t i = 0; i < vc.size(); ++i) {
      vc[i] = flat[i / P::head_dim] == 1 ? 0 : static_cast<int>(rng() & value_top);
    }
    auto const take = [](std::vector<int> const& codes) {
      return [&codes](int t, int c) { return c < P::head_dim ? codes[t * P::head_dim + c] : 0; };
    };
    for (int w = 0; w < keys::codes::num_words; ++w) {
      b.key_codes()[w] = keys::codes::make_word(w, take(kc));
    }
    for (int w = 0; w < values::codes::num_words; ++w) {
      b.value_codes()[w] = values::codes::make_word(w, take(vc));
    }
    for (int c = 0; c < P::head_dim; ++c) {
      float const scale = channel[c] * (0.7f + 0.1f * std::fabs(normal(rng))) * 3.0f / key_top;
      b.key_params()[keys::param_index(0, c, 0)] = stored(scale);
      if constexpr (keys::num_fields == 2) {
        b.key_params()[keys::param_index(0, c, 1)] = stored(bias[c] - 0.5f * key_top * scale);
      }
    }
    for (int t = 0; t < P::group; ++t) {
      float scale = 0.2f * std::exp(0.8f * normal(rng)) * 3.0f / value_top;
      if (flat[t]) scale = rng() % 2 ? 0.0f : 3e-7f;
      b.value_params()[values::param_index(t, 0, 0)] = stored(scale);
      if constexpr (values::num_fields == 2) {
        b.value_params()[values::param_index(t, 0, 1)] =
            stored(-0.5f * value_top * scale + 0.05f * normal(rng));
      }
      if constexpr (P::key_factor::present) {
        b.key_factors()[ott::token_slot<P::group>(t)] =
            ott::from_float<ott::half>(0.8f + 0.2f * std::fabs(normal(rng)));
      }
      if (ott::traced_capacity < P >> 0 && rng() % 100 == 0) b.v.marks[t / 32] |= 1u << (t % 32);
    }
  }
  return groups;
}

/// Queries whose logits spread over a few units of log2, softmax scale folded in.
template <class P>
std::vector<float> random_query(std::vector<ott::group_block<P>> const& groups, int rows,
                                std::mt19937& rng) {
  std::normal_distribution<float> normal;
  std::vector<float> q(rows * P::head_dim);
  for (auto& x : q) x = normal(rng);
  for (int row = 0; row < rows; ++row) {
    double sum = 0, squares = 0;
    int const n = 256;
    for (int i = 0; i < n; ++i) {
      double logit = 0;
      auto const& b = groups[rng() % groups.size()];
      int const t = static_cast<int>(rng() % P::group);
      for (int c = 0; c < P::head_dim; ++c) logit += q[row * P::head_dim + c] * b.key(t, c);
      sum += logit, squares += logit * logit;
    }
    double const deviation = std::sqrt(squares / n - sum / n * (sum / n));
    for (int c = 0; c < P::head_dim; ++c) q[row * P::head_dim + c] *= float(4.0 / deviation);
  }
  return q;
}

struct plain : ott::kivi_policy {};
struct full : ott::paper_policy {
  using key_factor = ott::token_norm;
};
template <class Base, int KeyBits, int ValueBits, int D, int G>
struct shaped : Base {
  using key_quantizer = ott::affine<KeyBits>;
  using value_quantizer = ott::affine<ValueBits>;
  static constexpr int head_dim = D, group = G;
};
struct balanced : full {
  using key_quantizer = ott::symmetric<4>;
  using value_quantizer = ott::symmetric<4>;
};
struct brain : full {
  using param = ott::bf16;
};

}  // namespace micro
