// Attention of several query rows a sequence: drafts being verified, chunks of a prefill.
#include "support/attend_row.hpp"

namespace ott_bench {
namespace {

void add_rows() {
  char const* const verb = "prefill";
  for (shape const& s : prefill_shapes) {
    add_attend_row<ott::dense_policy>(verb, s);
    add_attend_row<ott::paper_policy>(verb, s);
    add_attend_row<ott::rotated_policy>(verb, s);
  }
}

}  // namespace
}  // namespace ott_bench

int main(int argc, char** argv) {
  ott_bench::add_rows();
  return ott_bench::run_benchmarks(argc, argv);
}
