#pragma once

// The host lane: everything but kernels. Any C++20 compiler.
#include <ott/attention.hpp>
#include <ott/cache/cache.hpp>
#include <ott/cache/snapshot.hpp>
#include <ott/host/backend.hpp>
#include <ott/host/merge.hpp>
#include <ott/layout/footprint.hpp>
#include <ott/policy/cache_policy.hpp>
#include <ott/policy/fingerprint.hpp>
#include <ott/policy/first_tokens.hpp>
#include <ott/policy/max_l1.hpp>
#include <ott/policy/min_l2.hpp>
#include <ott/policy/symmetric.hpp>
#include <ott/version.hpp>
