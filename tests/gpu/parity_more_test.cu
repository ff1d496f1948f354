// The same for policies that the integer path does not serve, or serves with other shapes.
#include <ott/ott.cuh>

#include "device.hpp"
#include "parity.hpp"
#include "policies.hpp"

TEMPLATE_TEST_CASE("device equals host: other policies", "", ott_test::bf16_four,
                   ott_test::float_three, ott_test::turned) {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::check_parity<TestType>("other policy");
}
