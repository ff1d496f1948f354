#pragma once

#include "instance.hpp"

#include <vector>

namespace eval {

/// Every instance of one policy on the host: all head_dims and element types. One file of the build
/// a policy, so that none takes long; see CMakeLists.txt.
template <template <class, int, int> class Family, int Bits>
std::vector<instance> host_instances(char const* name);

}  // namespace eval
