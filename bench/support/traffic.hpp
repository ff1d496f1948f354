#pragma once

#include <cstddef>
#include <vector>

#include <ott/cuda/split_plan.hpp>
#include <ott/layout/group_block.hpp>

#include "support/axes.hpp"
#include "support/filled_cache.hpp"

// Bytes that a call touches in device memory, each counted once for reading and once for writing.
namespace ott_bench {

/// Codes, parameters, factors and marks of one group and KV head. Padding is not counted.
template <class P>
constexpr double group_bytes() {
  using keys = ott::key_layout<P>;
  using values = ott::value_layout<P>;
  double const codes =
      static_cast<double>(sizeof(typename keys::code_type)) * keys::num_code_items +
      static_cast<double>(sizeof(typename values::code_type)) * values::num_code_items;
  double const params = static_cast<double>(sizeof(typename P::param)) *
                        (keys::num_param_items + values::num_param_items);
  double const factors = P::key_factor::present ? 2.0 * P::group : 0.0;
  double const marks = ott::traced_capacity<P> > 0 ? P::group / 8.0 : 0.0;
  return codes + params + factors + marks;
}

/// One key row and one value row.
template <class P>
constexpr double row_bytes() {
  return 2.0 * sizeof(typename P::element) * P::head_dim;
}

/// Lengths, groups and traced tokens of every (slot, KV head) of layer 0, as the device has them.
struct head_counts {
  int length;
  int num_groups;
  int num_traced;
  int reserved;
};

template <class P>
std::vector<head_counts> counts_of(filled_cache<P> const& f) {
  auto const layer = f.cache->layer(0);
  auto const heads = static_cast<std::size_t>(layer.num_kv_heads);
  std::size_t const record = sizeof(ott::head_state<P>);
  std::vector<head_counts> all(f.sequences.size() * heads);
  for (std::size_t slot = 0; slot < f.sequences.size(); ++slot) {
    check(cudaMemcpy2D(all.data() + slot * heads, sizeof(head_counts),
                       layer.sequence(static_cast<int>(slot), 0).state, record, sizeof(head_counts),
                       heads, cudaMemcpyDeviceToHost),
          "reading head records");
  }
  return all;
}

/// Where the bytes of one attend call go, in bytes.
struct attend_traffic {
  double groups = 0;    // codes, parameters, factors, marks
  double window = 0;    // newest rows
  double pools = 0;     // traced rows and their entries
  double queries = 0;   // q in, out back
  double partials = 0;  // of splits: written and read again
  double traced = 0;    // tokens a KV head, on average

  double total() const { return groups + window + pools + queries + partials; }
};

/// The reads of the whole cache once, whatever the number of query rows.
template <class P>
attend_traffic attend_bytes(shape const& s, std::vector<head_counts> const& counts) {
  attend_traffic sum;
  double const out_row = 2.0 * 2.0 * P::head_dim * s.rows * s.q_heads;  // fp16 in and out
  sum.queries = out_row * s.sequences;
  int const q_per_kv = s.q_heads / s.kv_heads;
  using rule = ott::split_rule<P>;
  for (head_counts const& head : counts) {
    sum.groups += head.num_groups * group_bytes<P>();
    sum.window += (head.length - head.num_groups * P::group) * row_bytes<P>();
    sum.pools += head.num_traced * (row_bytes<P>() + sizeof(ott::traced_entry));
    sum.traced += head.num_traced / static_cast<double>(counts.size());
    if (rule::few(s.rows, q_per_kv)) {
      int const splits =
          rule::group_splits(head.num_groups, rule::run(head.num_groups, s.rows, q_per_kv)) +
          rule::exact_splits;
      sum.partials += 2.0 * splits * s.rows * q_per_kv * (P::head_dim + 2) * sizeof(float);
    }
  }
  return sum;
}

/// What a cache of this shape will hold, before it is there: to choose the number of working sets.
template <class P>
double expected_bytes(shape const& s) {
  double sum = 0;
  for (int const length : s.lengths()) {
    sum += ott::groups_after<P>(0, length) * group_bytes<P>() + P::residual * row_bytes<P>();
  }
  return sum * s.kv_heads;
}

}  // namespace ott_bench
