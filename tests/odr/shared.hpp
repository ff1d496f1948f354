#pragma once
#include <ott/cuda/backend.hpp>
#include <ott/ott.hpp>

// What a.cpp and b.cpp both instantiate: one function in the program, whoever takes its address.
using shared_append = decltype(&ott::host_backend<ott::paper_policy>::append);
