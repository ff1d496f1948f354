// The main of every test program. Compiled once: Catch2's own part takes g++ nine seconds.
#if __has_include(<catch2/catch_session.hpp>)  // version 3
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#endif
#include <cstdio>

#include "catch.hpp"

namespace {
int num_skipped = 0;
}

void ott_test::note_skip(char const* why) {
  ++num_skipped;
  std::fprintf(stderr, "skipped: %s\n", why);
}

// 0: all passed. 77: none failed, but some were skipped (ctest's SKIP_RETURN_CODE). Else: failed.
int main(int argc, char** argv) {
  int const result = Catch::Session().run(argc, argv);
  if (result != 0) return 1;
  return num_skipped > 0 ? 77 : 0;
}
