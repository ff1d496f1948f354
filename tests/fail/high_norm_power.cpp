// expect: ott: high_norm<N> needs N = 2, 4, 8, 16
#include <ott/policy/high_norm.hpp>

#if defined(OTT_POSITIVE_CONTROL)
static_assert(ott::high_norm<4>::num_factors == 7);
#else
static_assert(ott::high_norm<6>::num_factors == 7);
#endif
