// Small policies on the host backend, continued: two files for two cores.
#include <ott/host/backend.hpp>
#include <support/typed_cache.hpp>

namespace {

using namespace ott_test;

bool const added = [] {
  add_subject<eight_bit, ott::host_backend>("eight_bit", "host");
  add_subject<symmetric_codes, ott::host_backend>("symmetric_codes", "host");
  add_subject<exchanged, ott::host_backend>("exchanged", "host");
  add_subject<value_groups, ott::host_backend>("value_groups", "host");
  add_subject<half_dense, ott::host_backend>("half_dense", "host");
  add_subject<factored, ott::host_backend>("factored", "host");
  add_subject<own_parts, ott::host_backend>("own_parts", "host");
  return true;
}();

}  // namespace
