// One decode step of attention over one layer: one query row a sequence.
#include "support/attend_row.hpp"

namespace ott_bench {
namespace {

void add_rows() {
  char const* const verb = "decode";
  int index = 0;
  for (shape const& s : decode_shapes) {
    add_attend_row<ott::dense_policy>(verb, s);  // first: the rows below are held against it
    add_attend_row<ott::paper_policy>(verb, s);
    if (index++ >= num_core_shapes) continue;
    add_attend_row<ott::rotated_policy>(verb, s);
    add_attend_row<ott_bits<3>>(verb, s);
    add_attend_row<ott_bits<4>>(verb, s);
  }
  add_attend_row<ott_wide<64>>(verb, width_shape);
  add_attend_row<ott_wide<256>>(verb, width_shape);
}

}  // namespace
}  // namespace ott_bench

int main(int argc, char** argv) {
  ott_bench::add_rows();
  return ott_bench::run_benchmarks(argc, argv);
}
