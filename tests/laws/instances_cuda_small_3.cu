// Small policies on CUDA, a few a file: kernels take nvcc its time.
#include <ott/cuda/backend.cuh>
#include <support/computed.hpp>
#include <support/typed_cache.hpp>

template struct ott::cuda_backend<ott_test::exchanged>;
template struct ott::cuda_backend<ott_test::value_groups>;
template struct ott::cuda_backend<ott_test::half_dense>;
template struct ott::cuda_backend<ott_test::factored>;
template struct ott::cuda_backend<ott_test::own_parts>;

namespace {

bool const added = [] {
  if (!ott_test::has_gpu()) return false;
  ott_test::add_subject<ott_test::exchanged, ott::cuda_backend>("exchanged", "cuda");
  ott_test::add_subject<ott_test::value_groups, ott::cuda_backend>("value_groups", "cuda");
  ott_test::add_subject<ott_test::half_dense, ott::cuda_backend>("half_dense", "cuda");
  ott_test::add_subject<ott_test::factored, ott::cuda_backend>("factored", "cuda");
  ott_test::add_subject<ott_test::own_parts, ott::cuda_backend>("own_parts", "cuda");
  return true;
}();

}  // namespace
