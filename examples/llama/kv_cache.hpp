#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llama {

/// What a cache is asked to hold.
struct kv_request {
  int num_layers;
  int num_heads;
  int num_kv_heads;
  int head_dim;
  int max_sequences;
  int max_tokens;                  // of one sequence
  int max_rows;                    // of one step
  int max_query_rows;              // of these, those that attend
  int sliding_window;              // 0: none
  std::vector<int> pool_by_layer;  // empty: the policy's everywhere
  bool captures = true;            // may a decoding step be recorded, where the device can?
};

/// How many of the next rows belong to a sequence.
struct sequence_rows {
  std::int64_t seq;
  int count;
};

/// Where a cache's bytes went.
struct kv_bytes {
  std::size_t allocated = 0;  // for all that it may ever hold
  std::size_t working = 0;    // of these: scratch memory of attention, page tables
  std::size_t groups = 0;     // of the sequences alive: flushed groups,
  std::size_t codes = 0;      // in them: codes, or the elements themselves,
  std::size_t params = 0;     // parameters and factors; marks and padding are the rest
  std::size_t windows = 0;    // newest tokens,
  std::size_t pools = 0;      // traced tokens with their headers
  std::size_t read = 0;       // what a step's attention reads of all this
  std::size_t dense = 0;      // the same tokens as plain fp16
  double bits = 0;            // an element of a flushed group
};

/// What attention is told and tells besides, where a sequence lies in several caches.
struct attend_part {
  int const* positions = nullptr;  // of the queries in this cache, where the device computes
  float* lse = nullptr;            // [rows, heads]
};

/// An ott cache of some policy, as a model on device D sees it.
template <class D>
class kv_cache {
 public:
  using operand = typename D::operand;
  virtual ~kv_cache() = default;

  virtual int group() const = 0;
  virtual int residual() const = 0;
  virtual std::int64_t open() = 0;
  virtual void close(std::int64_t seq) = 0;
  virtual int length(std::int64_t seq) const = 0;
  /// Forgets the newest tokens, none of which may lie in a group.
  virtual void truncate(std::int64_t seq, int length) = 0;

  /// The sequences of the next step; for every layer, then, append and attend.
  virtual void begin(std::vector<sequence_rows> const& rows) = 0;
  virtual void append(int layer, operand const* k, operand const* v) = 0;
  virtual void attend(int layer, operand const* q, operand* out, attend_part const& part = {}) = 0;

  /// For a step that is recorded once and replayed: pages for the next one; the most groups a
  /// sequence of it then has; and that it ran without append having been called.
  virtual void reserve() = 0;
  virtual int most_groups() const = 0;
  virtual void advance() = 0;
  /// Has a replayed step lacked a page? Waits.
  virtual bool take_missed_step() = 0;

  virtual kv_bytes bytes() const = 0;
};

/// A policy of this build by its name.
template <class D>
struct kv_instance {
  std::string policy;
  int head_dim;
  std::unique_ptr<kv_cache<D>> (*make)(D& device, kv_request const& request);
};

/// Every policy of this build, at every head_dim.
template <class D>
std::vector<kv_instance<D>> const& kv_instances();

/// Their names.
template <class D>
std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (auto const& one : kv_instances<D>()) {
    if (names.empty() || names.back() != one.policy) names.push_back(one.policy);
  }
  return names;
}

}  // namespace llama
