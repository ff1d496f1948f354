// Small policies on the host backend: every part, type and width once.
#include <ott/host/backend.hpp>
#include <support/typed_cache.hpp>

namespace {

using namespace ott_test;

bool const added = [] {
  add_subject<small, ott::host_backend>("small", "host");
  add_subject<small_dense, ott::host_backend>("small_dense", "host");
  add_subject<small_rotated, ott::host_backend>("small_rotated", "host");
  add_subject<one_bit, ott::host_backend>("one_bit", "host");
  add_subject<three_bit, ott::host_backend>("three_bit", "host");
  add_subject<four_bit, ott::host_backend>("four_bit", "host");
  return true;
}();

}  // namespace
