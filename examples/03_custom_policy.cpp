// A policy of one's own: a quantizer, a selection rule and a struct that names them; nothing else.
#include <cmath>
#include <cstdio>
#include <vector>

#include <ott/ott.hpp>

// [policy]
struct pow2_step {  // signed 4-bit codes whose step is a power of two
  static constexpr char const* name = "pow2_step";  // for fingerprints
  static constexpr int bits = 4;
  struct params {
    float scale;  // floats only; each is stored as policy::param
  };
  OTT_HD static constexpr params fit(float lo, float hi) {
    float const reach = -lo > hi ? -lo : hi;
    float step = 1.0f;
    while (step * 7 < reach && step < 4096.0f) step *= 2;
    while (step * 3.5f > reach && step > 1e-6f) step /= 2;
    return {step};
  }
  OTT_HD static constexpr int encode(params p, float x) {
    return ott::nearest_code(ott::exact_add(ott::exact_div(x, p.scale), 8.0f), 15);
  }
  OTT_HD static constexpr float decode(params p, int code) {
    return p.scale * static_cast<float>(code - 8);
  }
};
struct coarse_l2 {  // traces keys of small L2 norm; term() is summed over the channels
  static constexpr char const* name = "coarse_l2";
  OTT_HD static constexpr std::int64_t term(float x) {
    return static_cast<std::int64_t>(x * x * 65536.0f);
  }
};
struct my_policy : ott::paper_policy {
  using key_quantizer = pow2_step;
  using selection = coarse_l2;
};
// [policy]

int main() {
  constexpr int tokens = 200, dim = my_policy::head_dim, tiny = 70;
  ott::cache<my_policy, ott::host_backend<my_policy>> cache{{.max_tokens = tokens}, {}};
  std::vector<ott::half> k;
  for (int i = 0; i < tokens * dim; ++i) {
    float const size = i / dim == tiny ? 0.1f : 1.0f;
    k.push_back(ott::from_float<ott::half>(size * std::sin(0.61f * static_cast<float>(i))));
  }
  auto const rows = ott::dense_view<ott::half const>(k.data(), tokens, 1, dim);
  auto const sequence = cache.create({});
  cache.append(cache.make_batch({{sequence, tokens}}, {}), 0, rows, rows, {});

  auto const& group = cache.layer(0).sequence(cache.slot_of(sequence), 0).block(0);
  float worst = 0;  // the step is 1/4 here, so no error is above 1/8
  for (int c = 0; c < dim; ++c) {
    worst = std::fmax(worst, std::fabs(group.key(0, c) - ott::to_float(rows(0, 0, c))));
  }
  std::printf("largest error of a key %.3f; tiny key traced: %d\n", worst, group.marked(tiny));
  return worst <= 0.126f && group.marked(tiny) ? 0 : 1;
}
