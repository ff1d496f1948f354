// The same for rotations of the user's own, and for heads whose size is no power of two.
#include <ott/ott.cuh>

#include "device.hpp"
#include "parity.hpp"
#include "policies.hpp"

TEMPLATE_TEST_CASE("device equals host: other rotations", "", ott_test::rotated_96,
                   ott_test::mirrored) {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  static_assert(ott::has_integer_groups<TestType>);
  ott_test::check_parity<TestType>("other rotation");
}
