// A cache lives through random operations beside a plain model of it: tokens in vectors, groups by
// name, the oracle for state. After every one the numbers agree; refused ones leave every byte as
// it was.
#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include <ott/core/error.hpp>
#include <support/against_oracle.hpp>
#include <support/backends.hpp>
#include <support/catch.hpp>

namespace {

using namespace ott_test;

constexpr int num_layers = 2;
constexpr int num_heads = 2;
constexpr int max_sequences = 4;

struct model_sequence {
  std::vector<naive::head_cache> heads;      // [layer][head]
  std::vector<std::shared_ptr<int>> groups;  // who shares a group shares its name

  int length() const { return heads[0].length(); }
};

class life {
 public:
  life(subject const& s, std::uint64_t seed) : subject_{s}, random_{seed} {
    ott::cache_config config;
    config.num_layers = num_layers;
    config.num_kv_heads = num_heads;
    config.num_q_heads = 2 * num_heads;
    config.max_sequences = max_sequences;
    config.max_tokens = 4 * s.method.group + s.method.residual + 5;
    config.num_pages = 9;  // not enough for all: capacity is met
    config.max_query_rows = 64;
    config.max_batch_groups = 64;
    config.pool_by_layer = {s.method.pool > 1 ? 1 : 0, s.method.pool};
    cache_ = s.make(config, static_cast<unsigned char>(random_.below(256)));
  }

  void step() {
    switch (random_.below(10)) {
      case 0:
        return create();
      case 1:
        return fork();
      case 2:
        return truncate();
      case 3:
        return random_.one_in(2) ? drop() : attend();
      case 4:
        return random_.one_in(3) ? drop() : attend();
      case 5:
        return snapshot();
      default:
        return append();
    }
  }

  /// Everything the model knows, checked.
  void check(bool thoroughly) {
    REQUIRE(cache_->num_sequences() == static_cast<int>(alive_.size()));
    REQUIRE(cache_->available_pages() == available());
    for (auto const& [id, seq] : alive_) {
      for (int layer = 0; layer < num_layers; ++layer) {
        REQUIRE(cache_->length(id, layer) == seq.length());
      }
      if (thoroughly || id == touched_) check_state(id, seq);
    }
  }

  std::map<std::string, int> const& done() const { return done_; }

 private:
  int group() const { return subject_.method.group; }
  int residual() const { return subject_.method.residual; }

  int available() const {
    std::vector<int const*> names;
    for (auto const& entry : alive_) {
      for (auto const& name : entry.second.groups) names.push_back(name.get());
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return cache_->config().num_pages - static_cast<int>(names.size());
  }
  int groups_at(model_sequence const& seq, int length) const {
    int groups = static_cast<int>(seq.groups.size());
    while (length - groups * group() >= group() + residual()) ++groups;
    return groups;
  }
  ott::seq_id any() {
    auto it = alive_.begin();
    std::advance(it, random_.below(static_cast<int>(alive_.size())));
    return it->first;
  }
  void note(char const* what) { ++done_[what]; }

  template <class Call>
  void refused(char const* what, ott::errc code, Call const& call) {
    note(what);
    bytes const before = cache_->everything();
    bool thrown = false;
    try {
      call();
    } catch (ott::error const& e) {
      thrown = true;
      INFO(e.what());
      REQUIRE(e.code() == code);
    }
    INFO(what);
    REQUIRE(thrown);
    REQUIRE(difference(cache_->everything(), before) == "");
  }

  model_sequence empty() const {
    model_sequence seq;
    for (int layer = 0; layer < num_layers; ++layer) {
      int const pool = cache_->config().pool_by_layer[static_cast<std::size_t>(layer)];
      for (int head = 0; head < num_heads; ++head) seq.heads.emplace_back(subject_.method, pool);
    }
    return seq;
  }

  void create() {
    if (alive_.size() == max_sequences) {
      return refused("create refused", ott::errc::capacity, [&] { cache_->create(); });
    }
    note("create");
    touched_ = cache_->create();
    REQUIRE(alive_.count(touched_) == 0);
    alive_.emplace(touched_, empty());
  }

  void append() {
    if (alive_.empty()) return create();
    entries batch;
    int missing = 0;
    bool fits = true;
    for (auto const& [id, seq] : alive_) {
      if (!batch.empty() && random_.one_in(2)) continue;
      int const most = random_.one_in(4) ? 3 * group() : random_.one_in(3) ? group() : 4;
      int const rows = 1 + random_.below(most);
      batch.push_back({id, rows});
      fits = fits && seq.length() + rows <= cache_->config().max_tokens;
      missing += groups_at(seq, seq.length() + rows) - static_cast<int>(seq.groups.size());
    }
    if (random_.one_in(2)) std::reverse(batch.begin(), batch.end());
    fits = fits && missing <= available();
    REQUIRE(cache_->can_append(batch, 1) == fits);
    int tokens = 0;
    for (auto const& entry : batch) tokens += entry.num_rows;
    std::vector<rows> kv;
    for (int layer = 0; layer < num_layers; ++layer) {
      kv.push_back(subject_.random_rows(random_.bits(), tokens, num_heads));
    }
    if (!fits) {
      return refused("append refused", ott::errc::capacity,
                     [&] { cache_->append(batch, 0, kv[0]); });
    }
    note("append");
    for (int layer = 0; layer < num_layers; ++layer) {
      cache_->append(batch, layer, kv[static_cast<std::size_t>(layer)]);
    }
    int row = 0;
    for (auto const& entry : batch) {
      model_sequence& seq = alive_.at(entry.seq);
      for (int layer = 0; layer < num_layers; ++layer) {
        for (int head = 0; head < num_heads; ++head) {
          grow(seq.heads[static_cast<std::size_t>(layer * num_heads + head)],
               kv[static_cast<std::size_t>(layer)], row, entry.num_rows, head);
        }
      }
      auto const groups = static_cast<std::size_t>(seq.heads[0].num_groups());
      while (seq.groups.size() < groups) seq.groups.push_back(std::make_shared<int>(0));
      row += entry.num_rows;
      touched_ = entry.seq;
    }
  }

  static void grow(naive::head_cache& head, rows const& kv, int first, int count, int which) {
    auto const wide = [&](float const* x) { return naive::row(x, x + kv.head_dim); };
    for (int t = first; t < first + count; ++t) {
      head.append({wide(kv.key(t, which)), wide(kv.value(t, which))});
    }
  }

  void fork() {
    if (alive_.empty()) return create();
    ott::seq_id const parent = any();
    if (alive_.size() == max_sequences) {
      return refused("fork refused", ott::errc::capacity, [&] { cache_->fork(parent); });
    }
    note("fork");
    touched_ = cache_->fork(parent);
    model_sequence child = alive_.at(parent);
    alive_.emplace(touched_, std::move(child));
  }

  void truncate() {
    if (alive_.empty()) return create();
    touched_ = any();
    model_sequence& seq = alive_.at(touched_);
    int const least = static_cast<int>(seq.groups.size()) * group();
    int const length = least - 2 + random_.below(seq.length() - least + 4);
    if (length < least || length > seq.length()) {
      return refused("truncate refused", ott::errc::shape,
                     [&] { cache_->truncate(touched_, length); });
    }
    note("truncate");
    cache_->truncate(touched_, length);
    for (naive::head_cache& head : seq.heads) head.truncate(length);
  }

  void drop() {
    if (alive_.empty()) return create();
    note("drop");
    ott::seq_id const id = any();
    cache_->drop(id);
    alive_.erase(id);
    refused("dropped again", ott::errc::unknown_sequence, [&] { cache_->drop(id); });
  }

  void snapshot() {
    if (alive_.empty()) return create();
    ott::seq_id const id = any();
    auto const blob = cache_->save(id);
    REQUIRE(cache_->save(id) == blob);
    if (random_.one_in(3)) {
      auto damaged = blob;
      damaged[static_cast<std::size_t>(random_.below(static_cast<int>(blob.size())))] ^=
          std::byte{4};
      return refused("load refused", ott::errc::snapshot, [&] { cache_->load(damaged); });
    }
    model_sequence const& seq = alive_.at(id);
    if (alive_.size() == max_sequences || static_cast<int>(seq.groups.size()) > available()) {
      return refused("no room to load", ott::errc::capacity, [&] { cache_->load(blob); });
    }
    note("load");
    model_sequence copy = seq;
    for (auto& name : copy.groups) name = std::make_shared<int>(0);  // pages of its own
    touched_ = cache_->load(blob);
    REQUIRE(cache_->save(touched_) == blob);
    alive_.emplace(touched_, std::move(copy));
  }

  void attend() {
    if (alive_.empty()) return create();
    note("attend");
    attention call;
    call.q_heads = 2 * num_heads;
    call.layer = random_.below(num_layers);
    call.type = random_.one_in(2) ? query_type::fp16 : query_type::fp32;
    for (auto const& entry : alive_) {
      if (entry.second.length() == 0 || random_.one_in(3)) continue;
      call.batch.push_back({entry.first, 1 + random_.below(std::min(4, entry.second.length()))});
    }
    if (call.batch.empty()) return;
    int num_rows = 0;
    for (auto const& entry : call.batch) num_rows += entry.num_rows;
    int const head_dim = subject_.method.head_dim;
    call.q = queries(call.type, random_.bits(), num_rows, call.q_heads, head_dim);
    auto const got = cache_->attend(call);
    frobenius error;
    std::size_t at = 0;
    for (auto const& entry : call.batch) {
      model_sequence const& seq = alive_.at(entry.seq);
      for (int i = 0; i < entry.num_rows; ++i) {
        for (int q_head = 0; q_head < call.q_heads; ++q_head, ++at) {
          auto const& head =
              seq.heads[static_cast<std::size_t>(call.layer * num_heads + q_head / 2)];
          auto const first =
              call.q.begin() + static_cast<std::ptrdiff_t>(at * static_cast<std::size_t>(head_dim));
          auto const want =
              head.attend(naive::row(first, first + head_dim), seq.length() - entry.num_rows + i);
          error.add(got.out.data() + at * static_cast<std::size_t>(head_dim), want.out);
          REQUIRE(static_cast<double>(got.lse[at]) == Approx(want.lse).margin(5e-3).epsilon(1e-3));
        }
      }
    }
    REQUIRE(error.relative() < 6e-3);
  }

  void check_state(ott::seq_id id, model_sequence const& seq) {
    for (int layer = 0; layer < num_layers; ++layer) {
      for (int head = 0; head < num_heads; ++head) {
        REQUIRE(cache_->disagreement(
                    id, layer, head,
                    seq.heads[static_cast<std::size_t>(layer * num_heads + head)]) == "");
      }
    }
  }

  subject const& subject_;
  random_source random_;
  std::unique_ptr<any_cache> cache_;
  std::map<ott::seq_id, model_sequence> alive_;
  std::map<std::string, int> done_;
  ott::seq_id touched_;
};

}  // namespace

TEST_CASE("model: a cache lives as a plain model of it does") {
  OTT_NEEDS_SUBJECTS();
  std::map<std::string, int> done;
  for (subject const* s : subjects()) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      life cache{*s, seed};
      for (int step = 0; step < 150; ++step) {
        INFO(s->name() << ", seed " << seed << ", step " << step);
        cache.step();
        cache.check(step % 25 == 24);
      }
      for (auto const& [what, count] : cache.done()) done[what] += count;
    }
  }
  // Nothing of what was to be tried was left out.
  for (char const* what : {"create", "create refused", "append", "append refused", "fork",
                           "fork refused", "truncate", "truncate refused", "drop", "dropped again",
                           "load", "load refused", "no room to load", "attend"}) {
    INFO(what);
    CHECK(done[what] >= 5);
  }
}
