// The built-in policies on the host backend.
#include <ott/host/backend.hpp>
#include <support/typed_cache.hpp>

namespace {

bool const added = [] {
  ott_test::add_subject<ott::paper_policy, ott::host_backend>("paper", "host");
  ott_test::add_subject<ott::kivi_policy, ott::host_backend>("kivi", "host");
  ott_test::add_subject<ott::dense_policy, ott::host_backend>("dense", "host");
  ott_test::add_subject<ott::rotated_policy, ott::host_backend>("rotated", "host");
  return true;
}();

}  // namespace
