// The policies that are lived with, on CUDA.
#include <ott/cuda/backend.cuh>
#include <support/computed.hpp>
#include <support/typed_cache.hpp>

template struct ott::cuda_backend<ott_test::small>;
template struct ott::cuda_backend<ott_test::value_groups>;

namespace {

bool const added = [] {
  if (!ott_test::has_gpu()) return false;
  ott_test::add_subject<ott_test::small, ott::cuda_backend>("small", "cuda");
  ott_test::add_subject<ott_test::value_groups, ott::cuda_backend>("value_groups", "cuda");
  return true;
}();

}  // namespace
