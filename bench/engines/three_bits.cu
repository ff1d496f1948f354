#include <ott/cuda/backend.cuh>

#include "support/policies.hpp"

template struct ott::cuda_backend<ott_bench::ott_bits<3>>;
