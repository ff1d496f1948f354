// The paper's policy: integer tensor cores for groups, fp16 for the rest.
#include <ott/ott.cuh>

template struct ott::cuda_backend<ott::paper_policy>;
