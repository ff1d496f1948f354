// Rotation, factors, four bits, bf16 and a head that is no power of two.
#include <ott/ott.cuh>

namespace {
struct rotated_bf16 : ott::rotated_policy {
  using element = ott::bf16;
  using key_quantizer = ott::affine<4>;
  using value_quantizer = ott::affine<4>;
  static constexpr int head_dim = 96, group = 64;
};
}  // namespace

template struct ott::cuda_backend<rotated_bf16>;
