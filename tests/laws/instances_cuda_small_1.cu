// Small policies on CUDA, a few a file: kernels take nvcc its time.
#include <ott/cuda/backend.cuh>
#include <support/computed.hpp>
#include <support/typed_cache.hpp>

template struct ott::cuda_backend<ott_test::small>;
template struct ott::cuda_backend<ott_test::small_dense>;
template struct ott::cuda_backend<ott_test::small_rotated>;
template struct ott::cuda_backend<ott_test::one_bit>;

namespace {

bool const added = [] {
  if (!ott_test::has_gpu()) return false;
  ott_test::add_subject<ott_test::small, ott::cuda_backend>("small", "cuda");
  ott_test::add_subject<ott_test::small_dense, ott::cuda_backend>("small_dense", "cuda");
  ott_test::add_subject<ott_test::small_rotated, ott::cuda_backend>("small_rotated", "cuda");
  ott_test::add_subject<ott_test::one_bit, ott::cuda_backend>("one_bit", "cuda");
  return true;
}();

}  // namespace
