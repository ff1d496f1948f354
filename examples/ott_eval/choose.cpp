#include "choose.hpp"

#include "support/input_error.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace eval {
namespace {

std::string names_of(std::vector<policy_row> const& rows) {
  std::string names;
  for (auto const& row : rows) names += (names.empty() ? "" : " ") + row.name;
  return names;
}

void check_name(std::string const& policy) {
  auto const& rows = policy_list();
  if (std::none_of(rows.begin(), rows.end(), [&](auto const& row) { return row.name == policy; }))
    throw support::input_error("--policy", "unknown policy",
                               "'" + support::printable(policy, 40) + "'",
                               "one of: " + names_of(rows));
}

std::string kind_of(support::dtype element, std::int64_t head_dim) {
  return std::string(support::name_of(element)) + " of head_dim " + std::to_string(head_dim);
}

std::string head_dims() {
  std::set<int> dims;
  for (auto const& i : instances()) dims.insert(i.head_dim);
  std::string text;
  for (int const dim : dims) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return text;
}

}  // namespace

std::vector<instance const*> choose_instances(options const& asked,
                                              support::kv_trace const& trace) {
  bool const cuda = asked.backend != backend_choice::host && cuda_ready();
  if (asked.backend == backend_choice::cuda && !cuda)
    throw support::input_error("--backend", "no CUDA device, or a build without nvcc", "cuda",
                               "host or auto");
  std::vector<instance const*> chosen;
  for (auto const& policy : asked.policies) {
    check_name(policy);
    auto const kind = kind_of(trace.element, trace.head_dim);
    auto const* const on_gpu =
        cuda ? find_instance(policy, "cuda", trace.element, trace.head_dim) : nullptr;
    if (asked.backend == backend_choice::cuda && on_gpu == nullptr)
      throw support::input_error("--backend cuda", "not built in: " + policy + " for " + kind,
                                 "cuda", "host, auto, or an entry of OTT_EVAL_CUDA_INSTANCES");
    auto const* const found =
        on_gpu ? on_gpu : find_instance(policy, "host", trace.element, trace.head_dim);
    if (found == nullptr)
      throw support::input_error(trace.path, "head_dim not built in",
                                 std::to_string(trace.head_dim), "one of " + head_dims());
    chosen.push_back(found);
  }
  return chosen;
}

}  // namespace eval
