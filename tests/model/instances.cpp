// The policies that are lived with, on the host backend.
#include <ott/host/backend.hpp>
#include <support/typed_cache.hpp>

namespace {

bool const added = [] {
  ott_test::add_subject<ott_test::small, ott::host_backend>("small", "host");
  ott_test::add_subject<ott_test::exchanged, ott::host_backend>("exchanged", "host");
  ott_test::add_subject<ott_test::value_groups, ott::host_backend>("value_groups", "host");
  ott_test::add_subject<ott_test::half_dense, ott::host_backend>("half_dense", "host");
  return true;
}();

}  // namespace
