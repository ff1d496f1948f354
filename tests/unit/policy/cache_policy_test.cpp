// The ready-made policies are what the papers say; fingerprints tell policies apart.
#include <set>
#include <utility>

#include <ott/policy/cache_policy.hpp>
#include <ott/policy/fingerprint.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

namespace {

using ott::paper_policy;

template <class... P>
constexpr bool all_are_policies(std::tuple<P...>*) {
  return (ott::cache_policy<P> && ...);
}
static_assert(all_are_policies(static_cast<ott_test::built_in_policies*>(nullptr)));
static_assert(all_are_policies(static_cast<ott_test::small_policies*>(nullptr)));

static_assert(paper_policy::head_dim == 128 && paper_policy::group == 128);
static_assert(paper_policy::residual == 32 && paper_policy::pool == 3 &&
              paper_policy::evicted == 32);
static_assert(ott::window_capacity<paper_policy> == 160 &&
              ott::traced_capacity<paper_policy> == 35);
static_assert(ott::value_group<paper_policy> == 128 &&
              ott::value_group<ott_test::value_groups> == 16);
static_assert(ott::exact_keys<ott::dense_policy> && ott::exact_values<ott::dense_policy>);
static_assert(!ott::exact_keys<paper_policy> && !ott::exact_values<ott_test::half_dense>);

// One change each.
struct same_again : paper_policy {};
struct other_element : paper_policy {
  using element = ott::bf16;
};
struct other_param : paper_policy {
  using param = float;
};
struct other_key_bits : paper_policy {
  using key_quantizer = ott::affine<3>;
};
struct other_value_bits : paper_policy {
  using value_quantizer = ott::affine<3>;
};
struct other_quantizer : paper_policy {
  using key_quantizer = ott::symmetric<2>;
};
struct other_key_order : paper_policy {
  using key_granularity = ott::per_token;
};
struct other_value_order : paper_policy {
  using value_granularity = ott::per_channel;
};
struct other_rule : paper_policy {
  using selection = ott::min_l2;
};
struct first_two : paper_policy {
  using selection = ott::first_tokens<2>;
};
struct first_three : paper_policy {
  using selection = ott::first_tokens<3>;
};
struct other_stand_in : paper_policy {
  using substitution = ott::zero_substitute;
};
struct other_key_rotation : paper_policy {
  using key_rotation = ott::hadamard;
};
struct other_value_rotation : paper_policy {
  using value_rotation = ott::hadamard;
};
struct other_factor : paper_policy {
  using key_factor = ott::token_norm;
};
struct refitted : paper_policy {
  using key_factor = ott::token_norm_refitted;
};
struct key_norm_2 : paper_policy {
  using key_fit = ott::high_norm<2>;
};
struct key_norm_8 : paper_policy {
  using key_fit = ott::high_norm<8>;
};
struct other_value_fit : paper_policy {
  using value_fit = ott::least_squares;
};
struct other_head_dim : paper_policy {
  static constexpr int head_dim = 64;
};
struct other_group : paper_policy {
  static constexpr int group = 64;
};
struct other_residual : paper_policy {
  static constexpr int residual = 128;
};
struct other_pool : paper_policy {
  static constexpr int pool = 4;
};
struct other_evicted : paper_policy {
  static constexpr int evicted = 31;
};
struct other_value_group : paper_policy {
  static constexpr int value_group = 64;
};

// Parts of a user's own, without a name, that differ in what they do and in nothing else.
template <int Shift>
struct shifted {
  static constexpr int bits = 2;
  struct params {
    float scale;
  };
  static constexpr params fit(float lo, float hi) { return {hi - lo}; }
  static constexpr int encode(params, float x) { return x > 0 ? 3 : 0; }
  static constexpr float decode(params p, int code) {
    return p.scale * static_cast<float>(code - Shift);
  }
};
template <int Power>
struct powered {
  static constexpr std::int64_t term(float x) {
    auto const whole = static_cast<std::int64_t>(x * x * 64);
    return Power == 2 ? whole : whole * whole;
  }
};
template <int Times>
struct scaled_stand_in {
  static constexpr float of(float sum, int, float, float) { return sum * Times; }
};
template <int Sign>
struct signs {
  static constexpr bool identity = false;
  template <int D, class Row>
  static constexpr void apply(Row&& row) {
    for (int c = 0; c < D; c += 2) row[c] *= Sign;
  }
};
template <int Channel>
struct one_channel {
  static constexpr bool present = true;
  static constexpr bool refitted = false;
  template <class Row>
  static constexpr float of(Row const& row, int) {
    return row[Channel];
  }
};
template <int Half>
struct shrunk {
  template <class Q, ott::scalar Param, ott::value_slice V>
  static constexpr typename Q::params of(V const& values) {
    return ott::stored<Q, Param>(Q::fit(values(0) / Half, values(1)));
  }
};
template <int N>
struct own_quantizer : paper_policy {
  using value_quantizer = shifted<N>;
};
template <int N>
struct own_rule : paper_policy {
  using selection = powered<N>;
};
template <int N>
struct own_stand_in : paper_policy {
  using substitution = scaled_stand_in<N>;
};
template <int N>
struct own_rotation : paper_policy {
  using key_rotation = signs<N>;
};
template <int N>
struct own_factor : paper_policy {
  using key_factor = one_channel<N>;
};
template <int N>
struct own_fit : paper_policy {
  using key_fit = shrunk<N>;
};

template <class... P>
bool all_differ() {
  return std::set<std::uint64_t>{ott::fingerprint<P>()...}.size() == sizeof...(P);
}

}  // namespace

TEST_CASE("fingerprint: every change of a policy changes it; the name does not") {
  static_assert(ott::fingerprint<same_again>() == ott::fingerprint<paper_policy>());
  CHECK(all_differ<paper_policy, other_element, other_param, other_key_bits, other_value_bits,
                   other_quantizer, other_key_order, other_value_order, other_rule, first_two,
                   first_three, other_stand_in, other_key_rotation, other_value_rotation,
                   other_factor, refitted, key_norm_2, key_norm_8, other_value_fit, other_head_dim,
                   other_group, other_residual, other_pool, other_evicted, other_value_group>());
}

TEST_CASE("fingerprint: a part counts by what it does, also without a name") {
  CHECK(all_differ<own_quantizer<1>, own_quantizer<2>, own_rule<2>, own_rule<4>, own_stand_in<1>,
                   own_stand_in<2>, own_rotation<1>, own_rotation<-1>, own_factor<1>, own_factor<2>,
                   own_fit<1>, own_fit<2>, paper_policy>());
}
