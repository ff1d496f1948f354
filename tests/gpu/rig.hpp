#pragma once
/// One layer on the host and the same on the device: every call goes to both, then bytes are
/// compared.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include <ott/cuda/backend.hpp>
#include <ott/host/backend.hpp>

namespace ott_test {

/// Memory of the device, given back at the end.
template <class P>
class device_bytes {
 public:
  device_bytes(ott::cuda_backend<P>& backend, std::size_t size) : backend_{&backend}, size_{size} {
    data_ = backend.allocate(size > 0 ? size : 1);
  }
  device_bytes(device_bytes const&) = delete;
  device_bytes& operator=(device_bytes const&) = delete;
  ~device_bytes() { backend_->deallocate(data_, size_); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t size() const { return size_; }

 private:
  ott::cuda_backend<P>* backend_;
  std::size_t size_;
  void* data_;
};

struct share {
  int slot;
  int rows;
};

/// Keys with a few loud channels and a few tokens that are nearly nothing, as models have them.
template <class T>
std::vector<T> random_rows(std::mt19937& rng, int rows, int heads, int head_dim, bool keys) {
  std::normal_distribution<float> normal;
  std::vector<T> out(static_cast<std::size_t>(rows) * heads * head_dim);
  std::size_t at = 0;
  for (int row = 0; row < rows * heads; ++row) {
    float const size = keys && rng() % 40 == 0 ? 0.02f : 1.0f;
    for (int c = 0; c < head_dim; ++c) {
      float const loud = keys && c % 29 == 3 ? 4.0f : 1.0f;
      out[at++] = ott::from_float<T>(size * loud * normal(rng));
    }
  }
  return out;
}

template <class P>
class rig {
 public:
  using element = typename P::element;
  int const slots, kv_heads, max_groups, pool_capacity;
  ott::host_backend<P> host;
  ott::cuda_backend<P> device;
  ott::cuda_stream stream = nullptr;
  std::mt19937 rng;

  rig(int num_slots, int num_kv_heads, int groups, int pool = P::pool, unsigned seed = 1)
      : slots{num_slots},
        kv_heads{num_kv_heads},
        max_groups{groups},
        pool_capacity{pool},
        rng{seed},
        blocks_(static_cast<std::size_t>(slots) * groups * kv_heads),
        heads_(static_cast<std::size_t>(slots) * kv_heads),
        table_(static_cast<std::size_t>(slots) * groups),
        device_blocks_{device, blocks_.size() * sizeof(blocks_[0])},
        device_heads_{device, heads_.size() * sizeof(heads_[0])},
        device_table_{device, table_.size() * sizeof(table_[0])},
        device_flag_{device, sizeof(std::int32_t)} {
    std::memset(static_cast<void*>(blocks_.data()), 0, device_blocks_.size());
    std::memset(static_cast<void*>(heads_.data()), 0, device_heads_.size());
    std::iota(table_.begin(), table_.end(), 0);
    std::shuffle(table_.begin(), table_.end(), rng);
    device.fill(device_blocks_.template as<void>(), 0, device_blocks_.size(), stream);
    device.fill(device_heads_.template as<void>(), 0, device_heads_.size(), stream);
    device.fill(device_flag_.template as<void>(), 0, sizeof(std::int32_t), stream);
    upload_table();
  }

  std::vector<std::int32_t>& table() { return table_; }
  void upload_table() {
    device.copy(device_table_.template as<void>(), table_.data(), device_table_.size(), stream);
    device.wait(stream);
  }

  ott::layer_view<P> host_layer() {
    return {blocks_.data(), heads_.data(), table_.data(), max_groups,
            kv_heads,       kv_heads,      pool_capacity, &flag_};
  }
  ott::layer_view<P> device_layer() {
    return {device_blocks_.template as<ott::group_block<P>>(),
            device_heads_.template as<ott::head_state<P>>(),
            device_table_.template as<std::int32_t>(),
            max_groups,
            kv_heads,
            kv_heads,
            pool_capacity,
            device_flag_.template as<std::int32_t>()};
  }
  int length(int slot) const { return heads_[static_cast<std::size_t>(slot) * kv_heads].length; }
  int groups(int slot) const {
    return heads_[static_cast<std::size_t>(slot) * kv_heads].num_groups;
  }

  /// Random tokens to both, of which `odd` share are not finite.
  void append(std::vector<share> const& shares, double odd = 0) {
    int const rows = total(shares);
    auto k = random_rows<element>(rng, rows, kv_heads, P::head_dim, true);
    auto v = random_rows<element>(rng, rows, kv_heads, P::head_dim, false);
    for (int n = static_cast<int>(odd * rows * kv_heads); n > 0; --n) {
      float const infinite = rng() % 2 == 0 ? INFINITY : -INFINITY;
      (rng() % 2 == 0 ? k : v)[rng() % k.size()] =
          ott::from_float<element>(rng() % 3 == 0 ? NAN : infinite);
    }
    append(shares, k, v);
  }
  /// These rows to both.
  void append(std::vector<share> const& shares, std::vector<element> const& k,
              std::vector<element> const& v) {
    int const rows = total(shares);
    auto const numbers = staged(shares);
    host.append(host_layer(), batch_of(shares, numbers.data()),
                ott::dense_view(k.data(), rows, kv_heads, P::head_dim),
                ott::dense_view(v.data(), rows, kv_heads, P::head_dim), {});
    std::size_t const bytes = k.size() * sizeof(element);
    device_bytes<P> device_k{device, bytes}, device_v{device, bytes};
    device_bytes<P> device_numbers{device, numbers.size() * sizeof(std::int32_t)};
    device.copy(device_k.template as<void>(), k.data(), bytes, stream);
    device.copy(device_v.template as<void>(), v.data(), bytes, stream);
    device.copy(device_numbers.template as<void>(), numbers.data(), device_numbers.size(), stream);
    auto const view_of = [&](device_bytes<P> const& data) {
      return ott::dense_view(data.template as<element const>(), rows, kv_heads, P::head_dim);
    };
    device.append(device_layer(), batch_of(shares, device_numbers.template as<std::int32_t>()),
                  view_of(device_k), view_of(device_v), stream);
    device.wait(stream);
  }

  /// Bytes of state in which host and device differ.
  std::size_t different_bytes() {
    std::vector<unsigned char> got(device_heads_.size() + device_blocks_.size());
    device.copy(got.data(), device_heads_.template as<void>(), device_heads_.size(), stream);
    device.copy(got.data() + device_heads_.size(), device_blocks_.template as<void>(),
                device_blocks_.size(), stream);
    device.wait(stream);
    auto const* const want_heads = reinterpret_cast<unsigned char const*>(heads_.data());
    auto const* const want_blocks = reinterpret_cast<unsigned char const*>(blocks_.data());
    std::size_t different = 0;
    for (std::size_t i = 0; i < device_heads_.size(); ++i) different += got[i] != want_heads[i];
    for (std::size_t i = 0; i < device_blocks_.size(); ++i) {
      different += got[device_heads_.size() + i] != want_blocks[i];
    }
    return different;
  }
  int host_flag() const { return flag_; }
  int device_flag() {
    std::int32_t raised = 0;
    device.copy(&raised, device_flag_.template as<void>(), sizeof raised, stream);
    device.wait(stream);
    return raised;
  }

  struct difference {
    double out = 0;  // worst |device - host| / |host| of a row and head
    double lse = 0;
  };

  /// Attention of random queries by both; `rows` of a share are query rows.
  template <class Q>
  difference attend(std::vector<share> const& shares, int q_heads, ott::attend_options options = {},
                    std::vector<std::int32_t> const& q_pos = {}, float query_size = 1.0f) {
    auto q = random_rows<Q>(rng, total(shares), q_heads, P::head_dim, false);
    for (Q& x : q) x = ott::from_float<Q>(query_size * ott::to_float(x));
    return attend(shares, q_heads, q, options, q_pos);
  }
  /// The same of these queries.
  template <class Q>
  difference attend(std::vector<share> const& shares, int q_heads, std::vector<Q> const& q,
                    ott::attend_options options = {}, std::vector<std::int32_t> const& q_pos = {}) {
    result<Q> const want = attend_on_host(shares, q_heads, q, options, q_pos);
    result<Q> const got = attend_on_device(shares, q_heads, q, options, q_pos);
    if (std::all_of(shares.begin(), shares.end(), [](share const& s) { return s.rows == 1; })) {
      check_crowd(shares, q_heads, q, options, q_pos, got);
    }
    return compare(want.out, got.out, want.lse, got.lse);
  }

 private:
  template <class Q>
  struct result {
    std::vector<Q> out;
    std::vector<float> lse;

    explicit result(std::size_t items) : out(items), lse(items / P::head_dim) {}
  };

  template <class Q>
  result<Q> attend_on_host(std::vector<share> const& shares, int q_heads, std::vector<Q> const& q,
                           ott::attend_options options, std::vector<std::int32_t> const& q_pos) {
    int const rows = total(shares);
    auto const numbers = staged(shares);
    result<Q> to(q.size());
    auto const view = [&](auto* p) { return ott::dense_view(p, rows, q_heads, P::head_dim); };
    options.lse = to.lse.data();
    options.q_pos = q_pos.empty() ? nullptr : q_pos.data();
    host.attend(
        ott::attend_call<P, Q>{host_layer(), batch_of(shares, numbers.data()), view(q.data()),
                               view(to.out.data()), options, most_groups(shares), nullptr, 0},
        {});
    return to;
  }
  template <class Q>
  result<Q> attend_on_device(std::vector<share> const& shares, int q_heads, std::vector<Q> const& q,
                             ott::attend_options options, std::vector<std::int32_t> const& q_pos) {
    int const rows = total(shares);
    auto const numbers = staged(shares);
    int all = 0;
    for (share const& s : shares) all += groups(s.slot);
    result<Q> to(q.size());
    auto const view = [&](auto* p) { return ott::dense_view(p, rows, q_heads, P::head_dim); };
    device_bytes<P> device_q{device, q.size() * sizeof(Q)}, device_out{device, device_q.size()};
    device_bytes<P> device_lse{device, to.lse.size() * sizeof(float)};
    device_bytes<P> device_pos{device, q_pos.size() * sizeof(std::int32_t)};
    device_bytes<P> device_numbers{device, numbers.size() * sizeof(std::int32_t)};
    device_bytes<P> workspace{device, device.workspace_bytes(rows, q_heads, kv_heads, all)};
    device.fill(device_out.template as<void>(), 0xff, device_out.size(), stream);
    device.fill(workspace.template as<void>(), 0xff, workspace.size(), stream);  // NaN
    device.fill(workspace.template as<void>(), 0, ott::workspace_cleared_bytes, stream);
    device.copy(device_q.template as<void>(), q.data(), device_q.size(), stream);
    device.copy(device_numbers.template as<void>(), numbers.data(), device_numbers.size(), stream);
    if (!q_pos.empty()) {
      device.copy(device_pos.template as<void>(), q_pos.data(), device_pos.size(), stream);
      options.q_pos = device_pos.template as<std::int32_t>();
    }
    options.lse = device_lse.template as<float>();
    device.attend(
        ott::attend_call<P, Q>{
            device_layer(), batch_of(shares, device_numbers.template as<std::int32_t>()),
            view(device_q.template as<Q const>()), view(device_out.template as<Q>()), options,
            most_groups(shares), workspace.template as<void>(), workspace.size()},
        stream);
    device.copy(to.out.data(), device_out.template as<void>(), device_out.size(), stream);
    device.copy(to.lse.data(), device_lse.template as<void>(), device_lse.size(), stream);
    std::vector<unsigned char> clear(ott::workspace_cleared_bytes, 1);
    device.copy(clear.data(), workspace.template as<void>(), clear.size(), stream);
    device.wait(stream);
    if (std::any_of(clear.begin(), clear.begin() + 4, [](unsigned char x) { return x != 0; })) {
      throw std::logic_error("attend did not leave the workspace's first bytes zero");
    }
    return to;
  }
  /// Few splits and many are attended to by kernels of their own: the same sequences many times
  /// over must have the bits they have once.
  template <class Q>
  void check_crowd(std::vector<share> const& shares, int q_heads, std::vector<Q> const& q,
                   ott::attend_options const& options, std::vector<std::int32_t> const& q_pos,
                   result<Q> const& once) {
    // Two splits each at least, so more than a device of 200 multiprocessors has places for pairs.
    // Of wide policies a block's list holds 112 sequences, beside which it has place for one pair.
    int const most = sizeof(ott::group_block<P>) > 24 * 1024 ? 100 : 1000;
    int const times = std::min(200 / total(shares) / kv_heads + 1, most / total(shares));
    std::vector<share> crowd;
    std::vector<Q> all_q;
    std::vector<std::int32_t> all_pos;
    for (int i = 0; i < times; ++i) {
      crowd.insert(crowd.end(), shares.begin(), shares.end());
      all_q.insert(all_q.end(), q.begin(), q.end());
      all_pos.insert(all_pos.end(), q_pos.begin(), q_pos.end());
    }
    result<Q> const many = attend_on_device(crowd, q_heads, all_q, options, all_pos);
    for (std::size_t i = 0; i < static_cast<std::size_t>(times); ++i) {
      bool const same =
          std::memcmp(&many.out[i * q.size()], once.out.data(), q.size() * sizeof(Q)) == 0 &&
          std::memcmp(&many.lse[i * once.lse.size()], once.lse.data(), once.lse.size() * 4) == 0;
      if (!same) throw std::logic_error("a sequence's bits depend on the size of its batch");
    }
  }
  int most_groups(std::vector<share> const& shares) const {
    int most = 0;
    for (share const& s : shares) most = std::max(most, groups(s.slot));
    return most;
  }
  static int total(std::vector<share> const& shares) {
    int rows = 0;
    for (share const& s : shares) rows += s.rows;
    return rows;
  }
  /// Slots, then row begins, as batch_view wants them.
  static std::vector<std::int32_t> staged(std::vector<share> const& shares) {
    std::vector<std::int32_t> numbers;
    for (share const& s : shares) numbers.push_back(s.slot);
    numbers.push_back(0);
    for (share const& s : shares) numbers.push_back(numbers.back() + s.rows);
    return numbers;
  }
  static ott::batch_view batch_of(std::vector<share> const& shares, std::int32_t const* numbers) {
    int most = 0;
    for (share const& s : shares) most = std::max(most, s.rows);
    return {static_cast<int>(shares.size()), total(shares), most, numbers, numbers + shares.size()};
  }

  template <class Q>
  static difference compare(std::vector<Q> const& want, std::vector<Q> const& got,
                            std::vector<float> const& want_lse, std::vector<float> const& got_lse) {
    difference worst;
    for (std::size_t line = 0; line < want_lse.size(); ++line) {
      double error = 0, size = 0;
      for (int c = 0; c < P::head_dim; ++c) {
        double const a = ott::to_float(want[line * P::head_dim + c]);
        double const b = ott::to_float(got[line * P::head_dim + c]);
        error += (a - b) * (a - b);
        size += a * a;
      }
      double const relative = size > 0 ? std::sqrt(error / size) : error;
      worst.out = relative <= worst.out ? worst.out : relative;  // NaN stays
      double const lse = want_lse[line] == got_lse[line]
                             ? 0.0
                             : std::fabs(double{want_lse[line]} - double{got_lse[line]});
      worst.lse = lse <= worst.lse ? worst.lse : lse;
    }
    return worst;
  }

  std::vector<ott::group_block<P>> blocks_;
  std::vector<ott::head_state<P>> heads_;
  std::vector<std::int32_t> table_;
  std::int32_t flag_ = 0;
  device_bytes<P> device_blocks_, device_heads_, device_table_, device_flag_;
};

}  // namespace ott_test
