#pragma once

#include "captured.hpp"
#include "progress.hpp"

#include "support/trace.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace eval {

/// One policy compiled for one element type, head_dim and backend. `run` fills everything but the
/// names; it steps `progress` once a token and layer.
struct instance {
  std::string policy;
  std::string backend;
  support::dtype element;
  int head_dim;
  void (*run)(support::kv_trace const& trace, std::int64_t chunk, progress& bar,
              policy_run& result);
};

/// A policy's name and what it is.
struct policy_row {
  std::string name, about;
};

/// Everything --policy understands.
std::vector<policy_row> const& policy_list();

/// Whether a CUDA device answers; false in a build without the CUDA lane.
bool cuda_ready();

/// The instances that were built; the host has all, the CUDA lane the common ones.
std::vector<instance> const& instances();

/// The instance for this policy, or nullptr.
instance const* find_instance(std::string const& policy, std::string const& backend,
                              support::dtype element, std::int64_t head_dim);

}  // namespace eval
