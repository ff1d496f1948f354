// Small policies on CUDA, a few a file: kernels take nvcc its time.
#include <ott/cuda/backend.cuh>
#include <support/computed.hpp>
#include <support/typed_cache.hpp>

template struct ott::cuda_backend<ott_test::three_bit>;
template struct ott::cuda_backend<ott_test::four_bit>;
template struct ott::cuda_backend<ott_test::eight_bit>;
template struct ott::cuda_backend<ott_test::symmetric_codes>;

namespace {

bool const added = [] {
  if (!ott_test::has_gpu()) return false;
  ott_test::add_subject<ott_test::three_bit, ott::cuda_backend>("three_bit", "cuda");
  ott_test::add_subject<ott_test::four_bit, ott::cuda_backend>("four_bit", "cuda");
  ott_test::add_subject<ott_test::eight_bit, ott::cuda_backend>("eight_bit", "cuda");
  ott_test::add_subject<ott_test::symmetric_codes, ott::cuda_backend>("symmetric_codes", "cuda");
  return true;
}();

}  // namespace
