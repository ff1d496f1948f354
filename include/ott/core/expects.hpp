#pragma once

#include <cassert>

// Debug-only check of a precondition inside kernels and inner loops; arguments of public calls are
// checked by fail() instead, always.
#if defined(OTT_DEBUG)
#define OTT_ASSERT(condition) assert(condition)
#else
#define OTT_ASSERT(condition) ((void)0)
#endif
