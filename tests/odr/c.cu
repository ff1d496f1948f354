// One of two CUDA files that include everything. Instantiating a backend twice would only cost
// minutes: what can clash is what is no template, and that is here with the include.
#include <ott/ott.cuh>

int bytes_c() { return static_cast<int>(sizeof(ott::cuda_backend<ott::paper_policy>)); }
