// expect: ott: symmetric<b> needs b >= 2
#include <ott/policy/symmetric.hpp>

#if defined(OTT_POSITIVE_CONTROL)
static_assert(ott::symmetric<2>::bias == 2);
#else
static_assert(ott::symmetric<1>::bias == 1);
#endif
