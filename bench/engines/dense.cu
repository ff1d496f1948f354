#include <ott/cuda/backend.cuh>

#include "support/policies.hpp"

template struct ott::cuda_backend<ott::dense_policy>;
