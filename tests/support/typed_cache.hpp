#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <ott/attention.hpp>
#include <ott/cache/cache.hpp>
#include <ott/cache/snapshot.hpp>
#include <support/against_oracle.hpp>
#include <support/backends.hpp>
#include <support/policies.hpp>

namespace ott_test {

/// A tensor where the backend computes.
template <class T, class Backend>
class placed {
 public:
  placed(Backend& backend, std::vector<T> const& from) : placed{backend, from.size()} {
    if (!from.empty()) backend.copy(data_, from.data(), from.size() * sizeof(T), {});
    backend.wait({});
  }
  placed(Backend& backend, std::size_t size)
      : backend_{backend},
        size_{size},
        data_{static_cast<T*>(backend.allocate((size + 1) * sizeof(T)))} {}
  placed(placed const&) = delete;
  ~placed() { backend_.deallocate(data_, (size_ + 1) * sizeof(T)); }

  T* data() const { return data_; }
  std::vector<T> fetch() const {
    std::vector<T> to(size_);
    if (size_ > 0) backend_.copy(to.data(), data_, size_ * sizeof(T), {});
    backend_.wait({});
    return to;
  }

 private:
  Backend& backend_;
  std::size_t size_;
  T* data_;
};

template <class T>
std::vector<T> narrowed(std::vector<float> const& wide) {
  std::vector<T> narrow(wide.size());
  std::transform(wide.begin(), wide.end(), narrow.begin(),
                 [](float x) { return ott::from_float<T>(x); });
  return narrow;
}

/// Hands out memory full of garbage, and knows all of it.
template <class Backend>
struct dirty_memory {
  struct piece {
    void* data;
    std::size_t size;
  };
  Backend backend;
  unsigned char garbage;
  std::vector<piece> pieces;

  ott::memory_source source() {
    return {[](void* context, std::size_t size) {
              auto* const self = static_cast<dirty_memory*>(context);
              void* const data = self->backend.allocate(size);
              self->backend.fill(data, self->garbage, size, {});
              self->pieces.push_back({data, size});
              return data;
            },
            [](void* context, void* data, std::size_t size) {
              auto* const self = static_cast<dirty_memory*>(context);
              auto const same = [&](piece const& p) { return p.data == data; };
              self->pieces.erase(std::find_if(self->pieces.begin(), self->pieces.end(), same));
              self->backend.deallocate(data, size);
            },
            this};
  }
};

template <class P, class Backend>
class typed_cache final : public any_cache {
 public:
  using element = typename P::element;

  typed_cache(ott::cache_config const& config, unsigned char garbage)
      : memory_{{}, garbage, {}},
        cache_{config, {}, memory_.source()},
        num_own_{memory_.pieces.size()} {}

  ott::seq_id create() override { return cache_.create({}); }

  void append(entries const& batch, int layer, rows const& kv) override {
    with_tensors(batch, kv,
                 [&](auto const& b, auto k, auto v) { cache_.append(b, layer, k, v, {}); });
  }
  void replay(entries const& batch, int layer, rows const& kv) override {
    with_tensors(batch, kv, [&](auto const& b, auto k, auto v) {
      backend().append(cache_.layer(layer), b.view(), k, v, {});
    });
  }

  attention_result attend(attention const& call) override {
    if (call.type == query_type::fp16) return attend_in<ott::half>(call);
    if (call.type == query_type::bf16) return attend_in<ott::bf16>(call);
    return attend_in<float>(call);
  }

  ott::seq_id fork(ott::seq_id parent) override { return waited(cache_.fork(parent, {})); }
  void truncate(ott::seq_id id, int length) override {
    kept_id_ = {};
    cache_.truncate(id, length, {});
  }
  void drop(ott::seq_id id) override { cache_.drop(id); }
  std::vector<std::byte> save(ott::seq_id id) override { return ott::save(cache_, id, {}); }
  ott::seq_id load(std::vector<std::byte> const& blob) override {
    return ott::load(cache_, blob, {});
  }
  bool can_append(entries const& batch, int times) override {
    return cache_.can_append(cache_.make_batch(batch, {}), times);
  }
  void reserve(entries const& batch, int times) override {
    auto const b = cache_.make_batch(batch, {});
    cache_.reserve(b, times, {});
    backend().wait({});
  }
  void advance(entries const& batch, int times) override {
    cache_.advance(cache_.make_batch(batch, {}), times);
  }
  bool take_missed_step() override { return cache_.take_missed_step({}); }

  int length(ott::seq_id id, int layer) override { return cache_.length(id, layer); }
  int num_groups(ott::seq_id id, int layer) override {
    return fetch(id, layer, 0).state->num_groups;
  }
  int available_pages() override { return cache_.available_pages(); }
  int num_sequences() override { return cache_.num_sequences(); }
  ott::cache_config const& config() override { return cache_.config(); }

  bytes state(ott::seq_id id) override {
    bytes all;
    for (int layer = 0; layer < config().num_layers; ++layer) {
      for (int head = 0; head < config().num_kv_heads; ++head) {
        fetched const got = fetch(id, layer, head);
        add_head(all, *got.state);
        for (auto const& block : got.blocks) add_group(all, block);
      }
    }
    return all;
  }
  bytes everything() override {
    bytes all;
    for (std::size_t i = 0; i < num_own_; ++i) {
      bytes piece(memory_.pieces[i].size);
      backend().copy(piece.data(), memory_.pieces[i].data, piece.size(), {});
      backend().wait({});
      all.insert(all.end(), piece.begin(), piece.end());
    }
    return all;
  }

  std::vector<home> homes(ott::seq_id id, int layer, int head) override {
    fetched const got = fetch(id, layer, head);
    std::vector<home> all(static_cast<std::size_t>(got.state->length), home::nowhere);
    auto const lives = [&](int pos, home where) {
      home& h = all.at(static_cast<std::size_t>(pos));
      h = h == home::nowhere ? where : home::twice;
    };
    for (int g = 0; g < got.state->num_groups; ++g) {
      for (int t = 0; t < P::group; ++t) {
        if (!got.blocks[static_cast<std::size_t>(g)].marked(t))
          lives(g * P::group + t, home::group);
      }
    }
    for (int e = 0; e < got.state->num_traced; ++e) {
      lives(got.state->entries[e].pos, got.state->entries[e].evicted ? home::evicted : home::pool);
    }
    for (int pos = got.state->window_begin(); pos < got.state->length; ++pos)
      lives(pos, home::window);
    return all;
  }

  std::string disagreement(ott::seq_id id, int layer, int head,
                           naive::head_cache const& oracle) override {
    fetched const got = fetch(id, layer, head);
    return ott_test::disagreement<P>(*got.state, block_of(got), oracle);
  }
  naive::attended as_read(ott::seq_id id, int layer, int head, naive::row const& query, int pos,
                          naive::attend_options const& options) override {
    if (!(kept_id_ == id && kept_layer_ == layer && kept_head_ == head)) {
      fetched const got = fetch(id, layer, head);
      kept_ = ott_test::as_read<P>(*got.state, block_of(got));
      kept_id_ = id;
      kept_layer_ = layer;
      kept_head_ = head;
    }
    naive::softmax sum{query, pos, options};
    for (read_token const& t : kept_) sum.add(t.pos, t.k, t.v);
    return sum.result();
  }

 private:
  struct fetched {
    std::unique_ptr<ott::head_state<P>> state;
    std::vector<ott::group_block<P>> blocks;
  };

  Backend& backend() { return cache_.get_backend(); }
  template <class T>
  T waited(T value) {
    backend().wait({});
    return value;
  }

  fetched fetch(ott::seq_id id, int layer, int head) {
    auto const view = cache_.layer(layer);
    auto const seq = view.sequence(cache_.slot_of(id), head);
    fetched got{std::make_unique<ott::head_state<P>>(), {}};
    backend().copy(got.state.get(), seq.state, sizeof *got.state, {});
    backend().wait({});
    auto const groups = static_cast<std::size_t>(got.state->num_groups);
    std::vector<std::int32_t> pages(groups);
    got.blocks.resize(groups);
    if (groups > 0) backend().copy(pages.data(), seq.pages, groups * sizeof pages[0], {});
    backend().wait({});
    for (std::size_t g = 0; g < groups; ++g) {
      auto const* const from = seq.blocks + std::int64_t{pages[g]} * seq.num_kv_heads + head;
      backend().copy(&got.blocks[g], from, sizeof got.blocks[g], {});
    }
    backend().wait({});
    return got;
  }
  static auto block_of(fetched const& got) {
    return [&got](int g) -> ott::group_block<P> const& {
      return got.blocks[static_cast<std::size_t>(g)];
    };
  }

  template <class Body>
  void with_tensors(entries const& batch, rows const& kv, Body const& body) {
    kept_id_ = {};
    auto const b = cache_.make_batch(batch, {});
    placed<element, Backend> const k{backend(), narrowed<element>(kv.k)};
    placed<element, Backend> const v{backend(), narrowed<element>(kv.v)};
    auto const view = [&](element const* data) {
      return ott::dense_view(data, kv.tokens, kv.heads, kv.head_dim);
    };
    body(b, view(k.data()), view(v.data()));
    backend().wait({});
  }

  template <class Q>
  attention_result attend_in(attention const& call) {
    auto const b = cache_.make_batch(call.batch, {});
    int const num_rows = b.num_rows();
    placed<Q, Backend> const q{backend(), narrowed<Q>(call.q)};
    placed<Q, Backend> const out{backend(), call.q.size()};
    placed<float, Backend> const lse{backend(), static_cast<std::size_t>(num_rows * call.q_heads)};
    placed<std::int32_t, Backend> const q_pos{backend(), call.q_pos};
    ott::attend_options options;
    options.scale = call.scale;
    options.soft_cap = call.soft_cap;
    options.sliding_window = call.sliding_window;
    options.q_pos = call.q_pos.empty() ? nullptr : q_pos.data();
    options.lse = lse.data();
    ott::attend(cache_, b, call.layer,
                ott::dense_view<Q const>(q.data(), num_rows, call.q_heads, P::head_dim),
                ott::dense_view<Q>(out.data(), num_rows, call.q_heads, P::head_dim), options, {});
    attention_result result;
    for (Q const x : out.fetch()) result.out.push_back(ott::to_float(x));
    result.lse = lse.fetch();
    return result;
  }

  dirty_memory<Backend> memory_;
  ott::cache<P, Backend> cache_;
  std::size_t num_own_;
  std::vector<read_token> kept_;  // of the last head that was asked for
  ott::seq_id kept_id_;
  int kept_layer_ = 0;
  int kept_head_ = 0;
};

/// Makes a policy on a backend known to the tests of this program.
template <class P, template <class> class Backend>
void add_subject(char const* policy, char const* backend) {
  using element = typename P::element;
  subject s;
  s.policy = policy;
  s.backend = backend;
  s.method = method_of<P>();
  s.known_to_oracle = known_to_oracle<P>;
  s.exact_in_oracle = exact_in_oracle<P>;
  s.passes_through = ott::exact_keys<P> && ott::exact_values<P>;
  s.built_in = is_built_in<P>;
  s.element = std::same_as<element, ott::half>   ? query_type::fp16
              : std::same_as<element, ott::bf16> ? query_type::bf16
                                                 : query_type::fp32;
  s.make = [](ott::cache_config const& config,
              unsigned char garbage) -> std::unique_ptr<any_cache> {
    return std::make_unique<typed_cache<P, Backend<P>>>(config, garbage);
  };
  s.random_rows = [](std::uint64_t seed, int tokens, int heads) {
    auto const typed = random_kv<element>(seed, tokens, heads, P::head_dim);
    rows wide{tokens, heads, P::head_dim, {}, {}};
    for (element const x : typed.k) wide.k.push_back(ott::to_float(x));
    for (element const x : typed.v) wide.v.push_back(ott::to_float(x));
    return wide;
  };
  all_subjects().push_back(std::move(s));
}

}  // namespace ott_test
