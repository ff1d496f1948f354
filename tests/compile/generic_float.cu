// What the integer path does not serve: value groups, fp32 elements, keys per token; large heads.
#include <ott/ott.cuh>

namespace {
struct generic_float : ott::paper_policy {
  using element = float;
  using param = float;
  using key_quantizer = ott::affine<3>;
  using value_quantizer = ott::affine<8>;
  using key_granularity = ott::per_token;
  static constexpr int head_dim = 256, group = 64, value_group = 32;
};
}  // namespace

template struct ott::cuda_backend<generic_float>;
