#pragma once

#include "llama/kv_cache.hpp"

#include <algorithm>
#include <concepts>
#include <memory>
#include <utility>

#include <ott/ott.hpp>

namespace llama {

/// kv_cache over ott::cache: the whole of what an engine has to say to the library.
template <class D, class P>
class ott_kv_cache final : public kv_cache<D> {
  using operand = typename D::operand;
  using backend = typename D::template backend<P>;
  using element = typename P::element;

 public:
  ott_kv_cache(D& device, kv_request const& asked)
      : device_{device},
        asked_{asked},
        cache_{{.num_layers = asked.num_layers,
                .num_kv_heads = asked.num_kv_heads,
                .num_q_heads = asked.num_heads,
                .max_sequences = asked.max_sequences,
                .max_tokens = asked.max_tokens,
                .max_query_rows = asked.max_query_rows,
                .pool_by_layer = asked.pool_by_layer},
               device.stream_of()},
        batch_{cache_.make_batch(asked.max_sequences)},
        k_(std::same_as<element, operand> ? 0 : row_elements(asked)),
        v_(k_.size()) {}

  int group() const override { return P::group; }
  int residual() const override { return P::residual; }

  std::int64_t open() override {
    ott::seq_id const made = cache_.create(device_.stream_of());
    alive_.push_back(made);
    return made.value;
  }
  void close(std::int64_t seq) override {
    std::erase(alive_, ott::seq_id{seq});
    cache_.drop({seq});
  }
  int length(std::int64_t seq) const override { return cache_.length({seq}); }

  void begin(std::vector<sequence_rows> const& rows) override {
    std::vector<ott::batch_entry> entries;
    for (sequence_rows const& one : rows) entries.push_back({{one.seq}, one.count});
    cache_.assign(batch_, entries, device_.stream_of());
  }

  void append(int layer, operand const* k, operand const* v) override {
    auto const stream = device_.stream_of();
    if constexpr (std::same_as<element, operand>) {
      cache_.append(batch_, layer, rows(k, asked_.num_kv_heads), rows(v, asked_.num_kv_heads),
                    stream);
    } else {
      auto const count =
          static_cast<std::size_t>(batch_.num_rows() * asked_.num_kv_heads * P::head_dim);
      device_.narrow(k, k_.data(), count);
      device_.narrow(v, v_.data(), count);
      cache_.append(batch_, layer, rows<element const>(k_.data(), asked_.num_kv_heads),
                    rows<element const>(v_.data(), asked_.num_kv_heads), stream);
    }
  }

  void attend(int layer, operand const* q, operand* out) override {
    ott::attend(cache_, batch_, layer, rows(q, asked_.num_heads), rows(out, asked_.num_heads),
                {.sliding_window = asked_.sliding_window}, device_.stream_of());
  }

  void reserve() override { cache_.reserve(batch_, 1, device_.stream_of()); }
  void advance() override { cache_.advance(batch_, 1); }
  int most_groups() const override {
    int most = 0;
    for (ott::batch_entry const& entry : batch_.entries()) {
      most = std::max(most, ott::groups_after<P>(0, cache_.length(entry.seq) + entry.num_rows));
    }
    return most;
  }

  kv_bytes bytes() const override {
    kv_bytes sum;
    sum.allocated = cache_.bytes();
    sum.bits = ott::footprint<P>::bits_per_element();
    std::size_t const heads = static_cast<std::size_t>(asked_.num_layers * asked_.num_kv_heads);
    constexpr std::size_t window = 2 * sizeof(element) * ott::window_capacity<P> * P::head_dim;
    for (ott::seq_id const id : alive_) {
      int const tokens = cache_.length(id);
      auto const groups = static_cast<std::size_t>(ott::groups_after<P>(0, tokens));
      sum.groups += heads * groups * ott::footprint<P>::bytes_per_group();
      sum.windows += heads * window;
      sum.pools += heads * (ott::footprint<P>::bytes_per_head() - window);
      sum.dense += heads * static_cast<std::size_t>(tokens) * 2 * sizeof(ott::half) * P::head_dim;
    }
    return sum;
  }

 private:
  static std::size_t row_elements(kv_request const& asked) {
    return static_cast<std::size_t>(asked.max_rows * asked.num_kv_heads * P::head_dim);
  }

  template <class T>
  ott::view<T> rows(T* data, int heads) const {
    return ott::dense_view(data, batch_.num_rows(), heads, P::head_dim);
  }

  D& device_;
  kv_request asked_;
  ott::cache<P, backend> cache_;
  typename ott::cache<P, backend>::batch_type batch_;
  typename D::template array<element> k_, v_;  // where the model's operands are no elements
  std::vector<ott::seq_id> alive_;
};

template <class D, class P>
std::unique_ptr<kv_cache<D>> make_kv_cache(D& device, kv_request const& asked) {
  kv_request fitted = asked;
  for (int& pool : fitted.pool_by_layer) pool = pool < P::pool ? pool : P::pool;
  return std::make_unique<ott_kv_cache<D, P>>(device, fitted);
}

}  // namespace llama
