// expect: ott: cache<P, Backend> needs a backend of the same policy
#include <ott/cache/cache.hpp>
#include <ott/host/backend.hpp>

#if defined(OTT_POSITIVE_CONTROL)
using backend_of = ott::host_backend<ott::paper_policy>;
#else
using backend_of = ott::host_backend<ott::kivi_policy>;
#endif

std::size_t size() { return sizeof(ott::cache<ott::paper_policy, backend_of>); }
