// Host and device side by side: state byte for byte, attention within tolerance.
#include <ott/ott.cuh>

#include "device.hpp"
#include "parity.hpp"

TEST_CASE("device equals host: paper policy") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::check_parity<ott::paper_policy>("paper");
}

TEST_CASE("device equals host: rotated policy") {
  if (!ott_test::has_device()) OTT_SKIP("no CUDA device");
  ott_test::check_parity<ott::rotated_policy>("rotated");
}
