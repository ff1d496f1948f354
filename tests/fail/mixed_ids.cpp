// expect: no match for
#include <ott/core/ids.hpp>

#if defined(OTT_POSITIVE_CONTROL)
using other_id = ott::page_id;
#else
using other_id = ott::seq_id;
#endif

bool same(ott::page_id a, other_id b) { return a == b; }
