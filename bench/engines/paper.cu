#include <ott/cuda/backend.cuh>

#include "support/policies.hpp"

template struct ott::cuda_backend<ott::paper_policy>;
