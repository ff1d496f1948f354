#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <oracle/naive.hpp>
#include <ott/cache/batch.hpp>
#include <ott/cache/config.hpp>
#include <support/bytes.hpp>
#include <support/random_kv.hpp>

// Caches of every policy on every backend behind one face without types: a law is written and
// compiled once. Instances are made in the instances_* files of a test program.
namespace ott_test {

/// Keys and values as floats that the element type can hold.
using rows = kv_rows<float>;
using entries = std::vector<ott::batch_entry>;

enum class query_type { fp16, bf16, fp32 };

/// One call of ott::attend.
/// shape    q: [rows, q_heads, head_dim], numbers that the type can hold; q_pos: [rows] or empty
struct attention {
  entries batch;
  std::vector<float> q;
  int q_heads = 1;
  int layer = 0;
  query_type type = query_type::fp32;
  float scale = 0;
  float soft_cap = 0;
  int sliding_window = 0;
  std::vector<std::int32_t> q_pos = {};
};

/// shape    out: [rows, q_heads, head_dim]; lse: [rows, q_heads]
struct attention_result {
  std::vector<float> out;
  std::vector<float> lse;
};

/// Where one token of a head lives, as the state says.
enum class home { nowhere, group, window, pool, evicted, twice };

/// One cache under test.
class any_cache {
 public:
  virtual ~any_cache() = default;

  virtual ott::seq_id create() = 0;
  virtual void append(entries const& batch, int layer, rows const& kv) = 0;
  virtual attention_result attend(attention const& call) = 0;
  virtual ott::seq_id fork(ott::seq_id parent) = 0;
  virtual void truncate(ott::seq_id id, int length) = 0;
  virtual void drop(ott::seq_id id) = 0;
  virtual std::vector<std::byte> save(ott::seq_id id) = 0;
  virtual ott::seq_id load(std::vector<std::byte> const& blob) = 0;
  virtual bool can_append(entries const& batch, int times) = 0;
  virtual void reserve(entries const& batch, int times) = 0;
  /// What a replayed graph does to one layer: the backend's work and none of the host's.
  virtual void replay(entries const& batch, int layer, rows const& kv) = 0;
  virtual void advance(entries const& batch, int times) = 0;
  virtual bool take_missed_step() = 0;

  virtual int length(ott::seq_id id, int layer) = 0;
  virtual int num_groups(ott::seq_id id, int layer) = 0;
  virtual int available_pages() = 0;
  virtual int num_sequences() = 0;
  virtual ott::cache_config const& config() = 0;

  /// All that a sequence says, in all layers.
  virtual bytes state(ott::seq_id id) = 0;
  /// All bytes of the cache's own memory.
  virtual bytes everything() = 0;
  /// shape    [length]
  virtual std::vector<home> homes(ott::seq_id id, int layer, int head) = 0;
  /// Beside the oracle, in words; empty means agreement.
  virtual std::string disagreement(ott::seq_id id, int layer, int head,
                                   naive::head_cache const& oracle) = 0;
  /// Attention in double over what the state reads as.
  virtual naive::attended as_read(ott::seq_id id, int layer, int head, naive::row const& query,
                                  int pos, naive::attend_options const& options) = 0;

  /// Appends to every layer of one sequence: rows [first, first + count), layer after layer.
  void append_all(ott::seq_id id, std::vector<rows> const& by_layer, int first, int count) {
    if (count == 0) return;
    for (int layer = 0; layer < config().num_layers; ++layer) {
      append({{id, count}}, layer, by_layer[static_cast<std::size_t>(layer)].slice(first, count));
    }
  }
};

/// A policy on a backend: what laws are tried on.
struct subject {
  std::string policy;
  std::string backend;
  naive::method method;
  bool known_to_oracle;  // the oracle knows its parts
  bool exact_in_oracle;  // and every fp32 step of them
  bool passes_through;   // neither K nor V is quantized
  bool built_in;         // of full size, where tests take it slowly
  query_type element;
  /// Memory is handed out full of `garbage`.
  std::function<std::unique_ptr<any_cache>(ott::cache_config const&, unsigned char garbage)> make;
  std::function<rows(std::uint64_t seed, int tokens, int heads)> random_rows;

  std::string name() const { return policy + " on " + backend; }
};

inline std::vector<subject>& all_subjects() {
  static std::vector<subject> all;
  return all;
}

/// The subjects of this lane: host in the host program, CUDA in the CUDA program.
inline std::vector<subject const*> subjects() {
  std::vector<subject const*> mine;
  for (subject const& s : all_subjects()) {
#if defined(OTT_TEST_CUDA)
    if (s.backend != "host") mine.push_back(&s);
#else
    if (s.backend == "host") mine.push_back(&s);
#endif
  }
  return mine;
}

/// The same policy on the host backend.
inline subject const& on_host(subject const& s) {
  for (subject const& other : all_subjects()) {
    if (other.policy == s.policy && other.backend == "host") return other;
  }
  return s;
}

/// Rows of every layer of a sequence.
inline std::vector<rows> rows_by_layer(subject const& s, std::uint64_t seed, int tokens, int layers,
                                       int heads) {
  std::vector<rows> all;
  for (int layer = 0; layer < layers; ++layer) {
    all.push_back(s.random_rows(seed * 1000 + static_cast<std::uint64_t>(layer), tokens, heads));
  }
  return all;
}

/// The oracle after the first `tokens` rows of one head.
inline naive::head_cache oracle_of(subject const& s, rows const& kv, int head, int tokens,
                                   int pool) {
  naive::head_cache oracle{s.method, pool};
  auto const wide = [&](float const* row) { return naive::row(row, row + kv.head_dim); };
  for (int t = 0; t < tokens; ++t) oracle.append({wide(kv.key(t, head)), wide(kv.value(t, head))});
  return oracle;
}

/// Query rows that the type can hold.
inline std::vector<float> queries(query_type type, std::uint64_t seed, int count, int heads,
                                  int head_dim) {
  std::vector<float> q;
  auto const take = [&](auto const& typed) {
    for (auto const x : typed) q.push_back(ott::to_float(x));
  };
  if (type == query_type::fp16) take(random_queries<ott::half>(seed, count, heads, head_dim));
  if (type == query_type::bf16) take(random_queries<ott::bf16>(seed, count, heads, head_dim));
  if (type == query_type::fp32) take(random_queries<float>(seed, count, heads, head_dim));
  return q;
}

}  // namespace ott_test

/// In every test over subjects: a CUDA program without a GPU says that it did not run.
#define OTT_NEEDS_SUBJECTS() \
  if (ott_test::subjects().empty()) OTT_SKIP("no GPU")
