// The device half of a user's program.
#include <ott/ott.cuh>

bool device_half() { return ott::paper_policy::group == 128; }
