// The built-in policies on CUDA.
#include <ott/cuda/backend.cuh>
#include <support/computed.hpp>
#include <support/typed_cache.hpp>

template struct ott::cuda_backend<ott::paper_policy>;
template struct ott::cuda_backend<ott::kivi_policy>;
template struct ott::cuda_backend<ott::dense_policy>;
template struct ott::cuda_backend<ott::rotated_policy>;

namespace {

bool const added = [] {
  if (!ott_test::has_gpu()) return false;
  ott_test::add_subject<ott::paper_policy, ott::cuda_backend>("paper", "cuda");
  ott_test::add_subject<ott::kivi_policy, ott::cuda_backend>("kivi", "cuda");
  ott_test::add_subject<ott::dense_policy, ott::cuda_backend>("dense", "cuda");
  ott_test::add_subject<ott::rotated_policy, ott::cuda_backend>("rotated", "cuda");
  return true;
}();

}  // namespace
