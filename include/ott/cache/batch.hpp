#pragma once

#include <cstdint>
#include <vector>

#include <ott/cache/memory.hpp>
#include <ott/core/ids.hpp>
#include <ott/layout/batch_view.hpp>

namespace ott {

/// One sequence's share of a call: how many rows of k, v, q are its own.
struct batch_entry {
  seq_id seq;
  int num_rows = 1;
};

/// The sequences of one step, and the same where the backend computes. Made and filled by a cache;
/// one batch serves all layers of a step, its memory all steps.
template <class Backend>
class batch {
 public:
  std::vector<batch_entry> const& entries() const { return entries_; }
  int num_rows() const { return num_rows_; }
  int capacity() const { return capacity_; }

  batch_view view() const {
    auto const* const slots = memory_.template as<std::int32_t const>();
    return {static_cast<int>(entries_.size()), num_rows_, max_rows_, slots, slots + capacity_};
  }

 private:
  template <class, class, class>
  friend class cache;

  batch(Backend& backend, memory_source const& source, int capacity)
      : memory_{backend, source,
                sizeof(std::int32_t) * (2 * static_cast<std::size_t>(capacity) + 1)},
        capacity_{capacity} {}

  std::vector<batch_entry> entries_;
  std::vector<std::int32_t> staged_;  // slots, then row_begin: kept until the copy has happened
  buffer<Backend> memory_;
  int capacity_ = 0;
  int num_rows_ = 0;
  int max_rows_ = 0;
};

}  // namespace ott
