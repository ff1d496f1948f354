#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <oracle/naive.hpp>
#include <ott/layout/group_block.hpp>
#include <ott/layout/head_state.hpp>
#include <support/policies.hpp>

// A head's state beside the oracle's. Each function answers in words; empty means that they agree.
namespace ott_test {

template <class P>
naive::row widened(typename P::element const* row) {
  naive::row wide(P::head_dim);
  for (int c = 0; c < P::head_dim; ++c) wide[static_cast<std::size_t>(c)] = ott::to_float(row[c]);
  return wide;
}

/// Appends raw rows, as the cache under test got them.
template <class P>
naive::token widened_token(typename P::element const* k, typename P::element const* v) {
  return {widened<P>(k), widened<P>(v)};
}

namespace detail {

inline std::string said(std::string const& what, int group, int token, double got, double want) {
  return what + " of group " + std::to_string(group) + ", token " + std::to_string(token) +
         ": got " + std::to_string(got) + ", the oracle has " + std::to_string(want);
}

/// Codes and parameters of one tensor of one group, bit for bit. At traced tokens a mean stands in,
/// whose last bit the method leaves open.
template <class P, class Layout, class Quantizer, class CodeOf, class ParamOf>
std::string compare_tensor(char const* name, int group, naive::coded_tensor const& want,
                           std::vector<bool> const& marks, CodeOf code_of, ParamOf param_of) {
  int num_stand_ins = 0;
  int num_off = 0;
  for (int t = 0; t < P::group; ++t) {
    auto const token = static_cast<std::size_t>(t);
    for (int c = 0; marks[token] && Layout::by_channel && c < P::head_dim; ++c) {
      ++num_stand_ins;
      num_off += code_of(t, c) == want.codes[token][static_cast<std::size_t>(c)] ? 0 : 1;
    }
    if (marks[token]) continue;
    for (int c = 0; c < P::head_dim; ++c) {
      auto const channel = static_cast<std::size_t>(c);
      double const scale = ott::to_float(param_of(t, c, 0));
      if (scale != want.scale[token][channel]) {
        return said(std::string{name} + " scale", group, t, scale, want.scale[token][channel]);
      }
      if constexpr (ott::num_params<Quantizer>() == 2) {
        double const zero = ott::to_float(param_of(t, c, 1));
        if (zero != want.zero[token][channel]) {
          return said(std::string{name} + " zero", group, t, zero, want.zero[token][channel]);
        }
      }
      if (code_of(t, c) != want.codes[token][channel]) {
        return said(std::string{name} + " code", group, t, code_of(t, c),
                    want.codes[token][channel]);
      }
    }
  }
  if (num_off > 1 + num_stand_ins / 50) {
    return said(std::string{name} + " codes of stand-ins", group, -1, num_off, 0);
  }
  return {};
}

/// Squared errors of the untraced tokens, ours and the oracle's, against what was to be coded.
struct coding_errors {
  double ours = 0;
  double oracle = 0;
  double power = 0;

  void add(double raw, double read, double oracle_read) {
    ours += (raw - read) * (raw - read);
    oracle += (raw - oracle_read) * (raw - oracle_read);
    power += raw * raw;
  }
  std::string verdict(char const* name, int group) const {
    if (ours <= 1.1 * oracle + 1e-5 * power) return {};
    return said(std::string{name} + " squared error", group, -1, ours, oracle);
  }
};

template <class P>
std::string compare_quality(int g, ott::group_block<P> const& block,
                            naive::head_cache const& oracle) {
  naive::coded_group const& want = oracle.group(g);
  coding_errors keys;
  coding_errors values;
  for (int t = 0; t < P::group; ++t) {
    auto const token = static_cast<std::size_t>(t);
    if (want.marks[token]) continue;
    naive::token const& raw = oracle.at(g * P::group + t);
    naive::row const k = P::key_rotation::identity ? raw.k : naive::hadamard(raw.k);
    naive::row const v = P::value_rotation::identity ? raw.v : naive::hadamard(raw.v);
    for (int c = 0; c < P::head_dim; ++c) {
      auto const channel = static_cast<std::size_t>(c);
      keys.add(k[channel], block.key(t, c), want.k.read[token][channel]);
      values.add(v[channel], block.value(t, c), want.v.read[token][channel]);
    }
  }
  std::string const said = keys.verdict("K", g);
  return said.empty() ? values.verdict("V", g) : said;
}

template <class P>
std::string compare_group(int g, ott::group_block<P> const& block,
                          naive::head_cache const& oracle) {
  naive::coded_group const& want = oracle.group(g);
  for (int t = 0; t < P::group; ++t) {
    if (block.marked(t) != want.marks[static_cast<std::size_t>(t)]) {
      return said("mark", g, t, block.marked(t), want.marks[static_cast<std::size_t>(t)]);
    }
  }
  if constexpr (ott::exact_keys<P> || ott::exact_values<P>) {
    for (int t = 0; t < P::group; ++t) {
      naive::token const& raw = oracle.at(g * P::group + t);
      for (int c = 0; c < P::head_dim; ++c) {
        double const k = raw.k[static_cast<std::size_t>(c)];
        double const v = raw.v[static_cast<std::size_t>(c)];
        if (ott::exact_keys<P> && block.key(t, c) != k) return said("K", g, t, block.key(t, c), k);
        if (ott::exact_values<P> && block.value(t, c) != v)
          return said("V", g, t, block.value(t, c), v);
      }
    }
  }
  if constexpr (!exact_in_oracle<P>) return compare_quality<P>(g, block, oracle);
  if constexpr (!ott::exact_keys<P>) {
    std::string const keys = compare_tensor<P, ott::key_layout<P>, typename P::key_quantizer>(
        "K", g, want.k, want.marks, [&](int t, int c) { return block.key_code(t, c); },
        [&](int t, int c, int f) { return block.key_param(t, c, f); });
    if (!keys.empty()) return keys;
  }
  if constexpr (!ott::exact_values<P>) {
    return compare_tensor<P, ott::value_layout<P>, typename P::value_quantizer>(
        "V", g, want.v, want.marks, [&](int t, int c) { return block.value_code(t, c); },
        [&](int t, int c, int f) { return block.value_param(t, c, f); });
  }
  return {};
}

template <class P>
bool same_row(typename P::element const* row, naive::row const& want) {
  for (int c = 0; c < P::head_dim; ++c) {
    double const x = ott::to_float(row[c]);
    double const y = want[static_cast<std::size_t>(c)];
    if (x != y || std::signbit(x) != std::signbit(y)) return false;
  }
  return true;
}

}  // namespace detail

/// The whole of one head: lengths, pools and their rows, window, groups. `block_of(group)` gives a
/// block.
template <class P, class BlockOf>
std::string disagreement(ott::head_state<P> const& state, BlockOf block_of,
                         naive::head_cache const& oracle) {
  if (state.length != oracle.length()) {
    return "length " + std::to_string(state.length) + ", the oracle has " +
           std::to_string(oracle.length());
  }
  if (state.num_groups != oracle.num_groups()) {
    return "groups " + std::to_string(state.num_groups) + ", the oracle has " +
           std::to_string(oracle.num_groups());
  }
  auto const& traced = oracle.all_traced();
  if (state.num_traced != static_cast<int>(traced.size())) {
    return "traced tokens " + std::to_string(state.num_traced) + ", the oracle has " +
           std::to_string(traced.size());
  }
  for (int e = 0; e < state.num_traced; ++e) {
    naive::traced const& want = traced[static_cast<std::size_t>(e)];
    if (state.entries[e].pos != want.pos || (state.entries[e].evicted != 0) != want.evicted) {
      return "traced entry " + std::to_string(e) + " is position " +
             std::to_string(state.entries[e].pos) + ", the oracle has " + std::to_string(want.pos);
    }
    int const at = e * P::head_dim;
    if (!detail::same_row<P>(state.traced_k + at, oracle.at(want.pos).k) ||
        !detail::same_row<P>(state.traced_v + at, oracle.at(want.pos).v)) {
      return "rows of traced entry " + std::to_string(e) + " are not those of its position";
    }
  }
  for (int pos = state.window_begin(); pos < state.length; ++pos) {
    int const at = ott::head_state<P>::window_row(pos);
    if (!detail::same_row<P>(state.window_k + at, oracle.at(pos).k) ||
        !detail::same_row<P>(state.window_v + at, oracle.at(pos).v)) {
      return "window row of position " + std::to_string(pos) + " is not that token's";
    }
  }
  for (int g = 0; g < state.num_groups; ++g) {
    std::string const said = detail::compare_group<P>(g, block_of(g), oracle);
    if (!said.empty()) return said;
  }
  return {};
}

/// One token as the cache reads it, rotated back.
struct read_token {
  int pos;
  naive::row k;
  naive::row v;
};

/// All tokens that take part, as the cache itself reads them: groups as decoded, traced rows,
/// window.
template <class P, class BlockOf>
std::vector<read_token> as_read(ott::head_state<P> const& state, BlockOf block_of) {
  std::vector<read_token> all;
  for (int g = 0; g < state.num_groups; ++g) {
    ott::group_block<P> const& block = block_of(g);
    for (int t = 0; t < P::group; ++t) {
      if (block.marked(t)) continue;
      naive::row k(P::head_dim), v(P::head_dim);
      for (int c = 0; c < P::head_dim; ++c) {
        k[static_cast<std::size_t>(c)] = block.key(t, c);
        v[static_cast<std::size_t>(c)] = block.value(t, c);
      }
      all.push_back({g * P::group + t, P::key_rotation::identity ? k : naive::hadamard(k),
                     P::value_rotation::identity ? v : naive::hadamard(v)});
    }
  }
  for (int e = 0; e < state.num_traced; ++e) {
    all.push_back({state.entries[e].pos, widened<P>(state.traced_k + e * P::head_dim),
                   widened<P>(state.traced_v + e * P::head_dim)});
  }
  for (int pos = state.window_begin(); pos < state.length; ++pos) {
    int const at = ott::head_state<P>::window_row(pos);
    all.push_back({pos, widened<P>(state.window_k + at), widened<P>(state.window_v + at)});
  }
  return all;
}

/// Relative error in the Frobenius norm, gathered over many rows.
class frobenius {
 public:
  template <class T>
  void add(T const* got, naive::row const& want) {
    for (std::size_t c = 0; c < want.size(); ++c) {
      double const off = static_cast<double>(ott::to_float(got[c])) - want[c];
      off_ += std::isfinite(off) ? off * off : 1e300;
      power_ += want[c] * want[c];
    }
  }
  double relative() const { return power_ > 0 ? std::sqrt(off_ / power_) : std::sqrt(off_); }

 private:
  double off_ = 0;
  double power_ = 0;
};

}  // namespace ott_test
