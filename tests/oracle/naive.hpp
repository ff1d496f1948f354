#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

// The method note (docs/method.md) in double precision and plain loops, as slow as it likes: a
// third opinion beside the host and the device backend, which share their text. Nothing of ott is
// used here. fp32 steps of the method are a double operation rounded to float, which is the same
// number.
namespace naive {

using row = std::vector<double>;

enum class number { fp16, bf16, fp32 };
enum class coding { none, affine, symmetric };
enum class rule { none, min_l1, min_l2, max_l1, first_tokens };
enum class stand_in { mean, zero };
enum class factor { none, norm, refitted };
enum class fit { min_max, least_squares, high_norm };

/// How one tensor (K or V) is quantized.
struct tensor_method {
  coding quantizer = coding::affine;
  int bits = 2;
  bool per_channel = true;
  int width = 0;  // channels of one parameter set, per token
  bool rotated = false;
  fit fitting = fit::min_max;
};

/// What distinguishes one policy from another.
struct method {
  int head_dim, group, residual, pool, evicted;
  number param = number::fp16;
  rule selection = rule::min_l1;
  int first = 0;  // N of first_tokens
  stand_in substitution = stand_in::mean;
  factor key_factor = factor::none;
  int norm = 8;  // N of high_norm
  tensor_method k{};
  tensor_method v{.per_channel = false};
};

inline double f32(double x) { return static_cast<double>(static_cast<float>(x)); }

/// x in a binary format: nearest even, saturated to the largest finite number, -0 and NaN as +0.
inline double stored(number format, double x) {
  if (std::isnan(x)) return 0;
  int const digits = format == number::fp16 ? 11 : format == number::bf16 ? 8 : 24;
  int const lowest = format == number::fp16 ? -14 : -126;  // exponent of the smallest normal
  double const largest =
      format == number::fp16 ? 65504.0 : std::ldexp(2.0 - std::ldexp(1.0, 1 - digits), 127);
  if (std::abs(x) >= largest) return x < 0 ? -largest : largest;
  int exponent = 0;
  std::frexp(x, &exponent);  // |x| in [0.5, 1) * 2^exponent
  double const unit = std::ldexp(1.0, std::max(exponent - 1, lowest) - (digits - 1));
  double const rounded = std::nearbyint(x / unit) * unit;
  return rounded == 0 ? 0.0 : std::clamp(rounded, -largest, largest);
}

/// Normalized Hadamard by its definition: entry (i, j) is +-1 by the parity of i & j.
inline row hadamard(row const& x) {
  std::size_t block = 1;
  while (x.size() % (2 * block) == 0) block *= 2;
  row out(x.size(), 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::size_t const base = i / block * block;
    for (std::size_t j = 0; j < block; ++j) {
      double const sign = __builtin_parityll((i - base) & j) ? -1.0 : 1.0;
      out[i] += sign * x[base + j];
    }
    out[i] /= std::sqrt(static_cast<double>(block));
  }
  return out;
}

struct params {
  double scale;
  double zero;
};

/// One uniform quantizer, by the formulas of the note.
struct coder {
  coding kind;
  int bits;
  number format;

  double bias() const { return std::ldexp(1.0, bits - 1); }
  double top() const { return std::ldexp(1.0, bits) - 1; }

  params of_range(double lo, double hi) const {
    if (kind == coding::symmetric) {
      return {stored(format, f32(std::max(-lo, hi) / (bias() - 1))), 0.0};
    }
    return {stored(format, f32(f32(hi - lo) / top())), stored(format, lo)};
  }
  int encode(params p, double x) const {
    bool const symmetric = kind == coding::symmetric;
    if (p.scale == 0) return symmetric ? static_cast<int>(bias()) : 0;
    double const at = symmetric ? f32(f32(x / p.scale) + bias()) : f32(f32(x - p.zero) / p.scale);
    return static_cast<int>(std::clamp(std::nearbyint(at), 0.0, top()));
  }
  double decode(params p, int code) const {
    return kind == coding::symmetric ? p.scale * (code - bias()) : p.zero + p.scale * code;
  }
  double error(row const& values, params p, int norm) const {
    double sum = 0;
    for (double x : values) sum += std::pow(std::abs(x - decode(p, encode(p, x))), norm);
    return sum;
  }

  /// The best of all pairs of shrunken ends in the given norm.
  params shrunken(row const& values, double lo, double hi, int norm) const {
    double const middle = 0.5 * (lo + hi);
    params best = of_range(lo, hi);
    double best_error = error(values, best, norm);
    for (double low : {1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6}) {
      for (double high : {1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6}) {
        params const p = of_range(middle - low * (middle - lo), middle + high * (hi - middle));
        double const e = error(values, p, norm);
        if (e < best_error) {
          best_error = e;
          best = p;
        }
      }
    }
    return best;
  }

  /// Regression of values on codes, from the given start until it no longer helps.
  params regressed(row const& values, params start) const {
    double best = error(values, start, 2);
    for (int round = 0; round < 20; ++round) {
      double n = 0, c = 0, cc = 0, x = 0, xc = 0;
      for (double value : values) {
        double const code = encode(start, value);
        n += 1;
        c += code;
        cc += code * code;
        x += value;
        xc += value * code;
      }
      double const spread = n * cc - c * c;
      if (spread == 0) break;
      double const scale = (n * xc - c * x) / spread;
      params const next{stored(format, scale), stored(format, (x - scale * c) / n)};
      double const e = error(values, next, 2);
      if (!(next.scale > 0) || e >= best) break;
      best = e;
      start = next;
    }
    return start;
  }

  params fitted(row const& values, fit how, int norm) const {
    double const lo = *std::min_element(values.begin(), values.end());
    double const hi = *std::max_element(values.begin(), values.end());
    if (how == fit::min_max || !(hi > lo)) return of_range(lo, hi);
    if (how == fit::high_norm) return shrunken(values, lo, hi, norm);
    params const a = regressed(values, of_range(lo, hi));
    params const b = regressed(values, shrunken(values, lo, hi, 2));
    return error(values, a, 2) <= error(values, b, 2) ? a : b;
  }
};

struct token {
  row k;
  row v;
};

/// One tensor of one flushed group.
/// shape    codes, scale, zero, read: [token][channel]; read is dequantized, in the rotated space
struct coded_tensor {
  std::vector<std::vector<int>> codes;
  std::vector<row> scale;
  std::vector<row> zero;
  std::vector<row> read;
};

struct coded_group {
  coded_tensor k;
  coded_tensor v;
  row factors;
  std::vector<bool> marks;
};

struct traced {
  double score;
  int pos;
  bool evicted;
};

struct attend_options {
  double scale = 0;  // 0: 1 / sqrt(head_dim)
  double soft_cap = 0;
  int sliding_window = 0;
};

struct attended {
  row out;
  double lse;
};

/// One query over rows that are there in full: softmax by the book.
struct softmax {
  row query;
  int pos;
  attend_options options;
  std::vector<double> scores{};
  std::vector<row> values{};

  bool sees(int at) const {
    return at <= pos && (options.sliding_window <= 0 || at > pos - options.sliding_window);
  }
  void add(int at, row const& k, row const& v) {
    if (!sees(at)) return;
    double s = 0;
    for (std::size_t c = 0; c < k.size(); ++c) s += query[c] * k[c];
    s *= options.scale != 0 ? options.scale : 1.0 / std::sqrt(static_cast<double>(k.size()));
    if (options.soft_cap > 0) s = options.soft_cap * std::tanh(s / options.soft_cap);
    scores.push_back(s);
    values.push_back(v);
  }
  attended result() const {
    attended all{row(query.size(), 0.0), -std::numeric_limits<double>::infinity()};
    if (scores.empty()) return all;
    double const top = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (std::size_t t = 0; t < scores.size(); ++t) {
      double const weight = std::exp(scores[t] - top);
      sum += weight;
      for (std::size_t c = 0; c < query.size(); ++c) all.out[c] += weight * values[t][c];
    }
    for (double& x : all.out) x /= sum;
    all.lse = top + std::log(sum);
    return all;
  }
};

/// One KV head of one sequence and layer. All tokens ever appended are kept as they came.
class head_cache {
 public:
  head_cache(method m, int pool_capacity) : method_{m}, capacity_{pool_capacity} {}

  int length() const { return static_cast<int>(tokens_.size()); }
  int num_groups() const { return static_cast<int>(groups_.size()); }
  coded_group const& group(int g) const { return groups_[static_cast<std::size_t>(g)]; }
  std::vector<traced> const& all_traced() const { return traced_; }
  token const& at(int pos) const { return tokens_[static_cast<std::size_t>(pos)]; }

  void append(token t) {
    tokens_.push_back(std::move(t));
    if (length() - num_groups() * method_.group == method_.residual + method_.group) flush();
  }
  /// requires length >= flushed tokens
  void truncate(int length) { tokens_.resize(static_cast<std::size_t>(length)); }

  /// Attention as the cache answers it: groups as they read, traced tokens and window exact.
  attended attend(row const& query, int pos, attend_options options = {}) const {
    softmax sum{query, pos, options};
    for (int g = 0; g < num_groups(); ++g) {
      for (int t = 0; t < method_.group; ++t) {
        coded_group const& coded = group(g);
        if (coded.marks[static_cast<std::size_t>(t)]) continue;
        row const& k = coded.k.read[static_cast<std::size_t>(t)];
        row const& v = coded.v.read[static_cast<std::size_t>(t)];
        sum.add(g * method_.group + t, method_.k.rotated ? hadamard(k) : k,
                method_.v.rotated ? hadamard(v) : v);
      }
    }
    for (traced const& e : traced_) sum.add(e.pos, at(e.pos).k, at(e.pos).v);
    for (int p = num_groups() * method_.group; p < length(); ++p) sum.add(p, at(p).k, at(p).v);
    return sum.result();
  }
  /// Attention over the raw tokens.
  attended exact(row const& query, int pos, attend_options options = {}) const {
    softmax sum{query, pos, options};
    for (int p = 0; p < length(); ++p) sum.add(p, at(p).k, at(p).v);
    return sum.result();
  }

  double score(int pos) const {
    double sum = 0;
    for (double x : at(pos).k) {
      if (!std::isfinite(x)) return std::numeric_limits<double>::infinity();
      sum += method_.selection == rule::min_l2 ? x * x : std::abs(x);
    }
    if (method_.selection == rule::max_l1) return -sum;
    if (method_.selection == rule::first_tokens) {
      return pos < method_.first ? pos : std::numeric_limits<double>::infinity();
    }
    return sum;
  }

 private:
  void flush() {
    int const first = num_groups() * method_.group;
    coded_group out;
    out.marks.assign(static_cast<std::size_t>(method_.group), false);
    for (int pos : trace(first)) out.marks[static_cast<std::size_t>(pos - first)] = true;

    std::vector<row> keys, values;
    for (int t = 0; t < method_.group; ++t) {
      row const& k = at(first + t).k;
      row const& v = at(first + t).v;
      keys.push_back(method_.k.rotated ? hadamard(k) : k);
      values.push_back(method_.v.rotated ? hadamard(v) : v);
    }
    if (method_.key_factor != factor::none) out.factors = divide_by_norms(keys);
    substitute(keys, out.marks);
    substitute(values, out.marks);
    out.k = quantized(keys, method_.k);
    out.v = quantized(values, method_.v);
    if (method_.key_factor == factor::refitted) refit(out, keys);
    for (std::size_t t = 0; t < out.factors.size(); ++t) {
      for (double& x : out.k.read[t]) x *= out.factors[t];
    }
    groups_.push_back(std::move(out));
  }

  /// Positions of the group that enter the pool, which may displace others on the way.
  std::vector<int> trace(int first) {
    std::vector<int> entered;
    if (method_.selection == rule::none) return entered;
    std::vector<std::pair<double, int>> offered;
    for (int t = 0; t < method_.group; ++t) offered.emplace_back(score(first + t), first + t);
    std::sort(offered.begin(), offered.end());
    for (auto const& [s, pos] : offered) {
      if (std::isinf(s)) break;
      traced* largest = nullptr;
      int in_pool = 0;
      int in_evicted = 0;
      for (traced& e : traced_) {
        (e.evicted ? in_evicted : in_pool) += 1;
        if (!e.evicted && (largest == nullptr ||
                           std::pair(largest->score, largest->pos) < std::pair(e.score, e.pos))) {
          largest = &e;
        }
      }
      if (in_pool >= capacity_) {
        if (largest == nullptr || in_evicted >= method_.evicted) break;
        if (std::pair(s, pos) > std::pair(largest->score, largest->pos)) break;
        largest->evicted = true;
      }
      traced_.push_back({s, pos, false});
      entered.push_back(pos);
    }
    return entered;
  }

  static row divide_by_norms(std::vector<row>& keys) {
    row norms;
    for (row& key : keys) {
      double sum = 0;
      for (double x : key) sum += x * x;
      double const norm = stored(number::fp16, std::sqrt(sum));
      for (double& x : key) x = norm == 0 ? 0.0 : x / norm;
      norms.push_back(norm);
    }
    return norms;
  }

  void substitute(std::vector<row>& rows, std::vector<bool> const& marks) const {
    for (std::size_t c = 0; c < rows[0].size(); ++c) {
      row left;
      for (std::size_t t = 0; t < rows.size(); ++t) {
        if (!marks[t]) left.push_back(rows[t][c]);
      }
      double mean = 0;
      if (!left.empty() && method_.substitution == stand_in::mean) {
        for (double x : left) mean += x;
        mean = std::clamp(f32(mean / static_cast<double>(left.size())),
                          *std::min_element(left.begin(), left.end()),
                          *std::max_element(left.begin(), left.end()));
      }
      for (std::size_t t = 0; t < rows.size(); ++t) {
        if (marks[t]) rows[t][c] = mean;
      }
    }
  }

  coded_tensor quantized(std::vector<row> const& rows, tensor_method const& how) const {
    std::size_t const tokens = rows.size();
    std::size_t const channels = rows[0].size();
    coded_tensor out{std::vector<std::vector<int>>(tokens, std::vector<int>(channels)),
                     std::vector<row>(tokens, row(channels)),
                     std::vector<row>(tokens, row(channels)), rows};
    if (how.quantizer == coding::none) return out;
    coder const code{how.quantizer, how.bits, method_.param};
    // A slice is all (token, channel) that share parameters.
    std::size_t const width = how.per_channel ? 1 : static_cast<std::size_t>(how.width);
    std::size_t const height = how.per_channel ? tokens : 1;
    for (std::size_t t0 = 0; t0 < tokens; t0 += height) {
      for (std::size_t c0 = 0; c0 < channels; c0 += width) {
        row slice;
        for (std::size_t t = t0; t < t0 + height; ++t) {
          for (std::size_t c = c0; c < c0 + width; ++c) slice.push_back(rows[t][c]);
        }
        params const p = code.fitted(slice, how.fitting, method_.norm);
        for (std::size_t t = t0; t < t0 + height; ++t) {
          for (std::size_t c = c0; c < c0 + width; ++c) {
            out.codes[t][c] = code.encode(p, rows[t][c]);
            out.scale[t][c] = p.scale;
            out.zero[t][c] = p.zero;
            out.read[t][c] = code.decode(p, out.codes[t][c]);
          }
        }
      }
    }
    return out;
  }

  /// Makes <k, k'> = <k, k>.
  void refit(coded_group& out, std::vector<row> const& keys) const {
    for (std::size_t t = 0; t < keys.size(); ++t) {
      double own = 0;
      double with_codes = 0;
      for (std::size_t c = 0; c < keys[t].size(); ++c) {
        own += keys[t][c] * keys[t][c];
        with_codes += keys[t][c] * out.k.read[t][c];
      }
      if (with_codes > 0) out.factors[t] = stored(number::fp16, out.factors[t] * own / with_codes);
    }
  }

  method method_;
  int capacity_;
  std::vector<token> tokens_;
  std::vector<coded_group> groups_;
  std::vector<traced> traced_;
};

}  // namespace naive
