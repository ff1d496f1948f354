// See c.cu.
#include <ott/ott.cuh>

int bytes_d() { return static_cast<int>(sizeof(ott::cuda_backend<ott::kivi_policy>)); }
