#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <ott/core/scalar.hpp>
#include <ott/core/view.hpp>

namespace ott_test {

/// The same numbers everywhere for the same seed (std's distributions differ between libraries).
class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15ull + 1} {}

  std::uint64_t bits() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  /// 0 .. count - 1
  int below(int count) {
    return static_cast<int>((bits() >> 11) % static_cast<std::uint64_t>(count));
  }
  bool one_in(int n) { return below(n) == 0; }
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }
  double normal() {
    return std::sqrt(-2.0 * std::log(uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::uint64_t state_;
};

/// Keys and values of some tokens.
/// shape    k, v: [tokens, heads, head_dim]
template <class T>
struct kv_rows {
  int tokens = 0;
  int heads = 0;
  int head_dim = 0;
  std::vector<T> k;
  std::vector<T> v;

  std::size_t at(int token, int head) const {
    return (static_cast<std::size_t>(token) * heads + head) * static_cast<std::size_t>(head_dim);
  }
  T const* key(int token, int head) const { return k.data() + at(token, head); }
  T const* value(int token, int head) const { return v.data() + at(token, head); }
  T* key(int token, int head) { return k.data() + at(token, head); }
  T* value(int token, int head) { return v.data() + at(token, head); }

  ott::view<T const> keys() const { return ott::dense_view(k.data(), tokens, heads, head_dim); }
  ott::view<T const> values() const { return ott::dense_view(v.data(), tokens, heads, head_dim); }

  /// Rows [first, first + count) as tensors of their own.
  kv_rows slice(int first, int count) const {
    auto const cut = [&](std::vector<T> const& all) {
      auto const begin = all.begin() + static_cast<std::ptrdiff_t>(at(first, 0));
      return std::vector<T>(begin, begin + static_cast<std::ptrdiff_t>(at(count, 0)));
    };
    return {count, heads, head_dim, cut(k), cut(v)};
  }
};

namespace detail {

/// One head of a model: a few channels are much wider than the rest, most have an offset.
struct channel_shape {
  double offset;
  double spread;
};

inline std::vector<channel_shape> random_channels(random_source& random, int head_dim) {
  std::vector<channel_shape> channels(static_cast<std::size_t>(head_dim));
  for (channel_shape& c : channels) {
    c.spread = 0.3 * std::exp(0.7 * random.normal());
    c.offset = random.one_in(3) ? 2.0 * c.spread * random.normal() : 0.0;
    if (random.one_in(16)) c.spread *= 12.0;
    if (random.one_in(24)) c.spread = 0.0;  // a constant channel
  }
  return channels;
}

template <class T>
void copy_row(T const* from, T* to, int head_dim) {
  for (int c = 0; c < head_dim; ++c) to[c] = from[c];
}

}  // namespace detail

/// Outlier-shaped keys and values with what breaks naive code planted among them: tiny keys, exact
/// ties of the score, constant and zero rows, -0 and denormals.
template <class T>
kv_rows<T> random_kv(std::uint64_t seed, int tokens, int heads, int head_dim) {
  random_source random{seed};
  std::size_t const size = static_cast<std::size_t>(tokens) * heads * head_dim;
  kv_rows<T> rows{tokens, heads, head_dim, std::vector<T>(size), std::vector<T>(size)};
  for (int head = 0; head < heads; ++head) {
    auto const key_channels = detail::random_channels(random, head_dim);
    auto const value_channels = detail::random_channels(random, head_dim);
    for (int t = 0; t < tokens; ++t) {
      T* const key = rows.key(t, head);
      T* const value = rows.value(t, head);
      double const tiny = random.one_in(20) ? std::exp2(-3.0 - random.below(6)) : 1.0;
      for (int c = 0; c < head_dim; ++c) {
        auto const& kc = key_channels[static_cast<std::size_t>(c)];
        auto const& vc = value_channels[static_cast<std::size_t>(c)];
        double const x = tiny * (kc.offset + kc.spread * random.normal());
        key[c] = ott::from_float<T>(static_cast<float>(x));
        value[c] = ott::from_float<T>(static_cast<float>(vc.offset + vc.spread * random.normal()));
        if (random.one_in(200)) key[c] = ott::from_float<T>(-0.0f);
        if (random.one_in(200)) value[c] = ott::from_float<T>(-0.0f);
        if (random.one_in(300)) key[c] = ott::from_float<T>(3.0f * 0x1p-24f);  // an fp16 denormal
      }
      if (t > 0 && random.one_in(25)) {  // the same score again, with other values
        int const twin = random.below(t);
        detail::copy_row(rows.key(twin, head), key, head_dim);
        for (int c = 0; c < head_dim; c += 2) key[c] = ott::from_float<T>(-ott::to_float(key[c]));
      }
      if (random.one_in(90)) {
        for (int c = 0; c < head_dim; ++c) key[c] = value[c] = ott::from_float<T>(0.0f);
      }
      if (random.one_in(90)) {
        for (int c = 0; c < head_dim; ++c) value[c] = ott::from_float<T>(0.3f);
      }
    }
  }
  return rows;
}

/// Puts NaN and infinities of both signs into about one key and one value of `one_in` rows.
template <class T>
void plant_non_finite(kv_rows<T>& rows, std::uint64_t seed, int one_in) {
  random_source random{seed};
  float const bad[] = {INFINITY, -INFINITY, NAN};
  for (int t = 0; t < rows.tokens; ++t) {
    for (int head = 0; head < rows.heads; ++head) {
      int const c = random.below(rows.head_dim);
      T const x = ott::from_float<T>(bad[random.below(3)]);
      if (random.one_in(one_in)) rows.key(t, head)[c] = x;
      if (random.one_in(one_in)) rows.value(t, head)[c] = x;
    }
  }
}

/// Query rows: [rows, heads, head_dim], aligned with some channels so that attention is not flat.
template <class T>
std::vector<T> random_queries(std::uint64_t seed, int rows, int heads, int head_dim) {
  random_source random{seed ^ 0x51ull};
  std::vector<T> q(static_cast<std::size_t>(rows) * heads * head_dim);
  for (T& x : q) x = ott::from_float<T>(static_cast<float>(1.5 * random.normal()));
  return q;
}

}  // namespace ott_test
