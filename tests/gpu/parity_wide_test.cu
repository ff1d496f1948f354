// The same for large heads and for exact groups.
#include <ott/ott.cuh>

#include "device.hpp"
#include "parity.hpp"
#include "policies.hpp"

TEMPLATE_TEST_CASE("device equals host: wide and exact policies", "", ott_test::wide_two,
                   ott_test::wide_bf16, ott_test::dense_bf16, ott_test::dense_keys) {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::check_parity<TestType>("wide or exact policy");
}
