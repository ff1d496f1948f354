// No quantization: the baseline.
#include <ott/ott.cuh>

template struct ott::cuda_backend<ott::dense_policy>;
