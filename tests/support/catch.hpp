#pragma once
/// The one door to Catch2: 2.13 (Debian 12) and 3 behind the same names.

#if __has_include(<catch2/catch_test_macros.hpp>)  // version 3
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
using Catch::Approx;  // where version 2 has it
#else
#include <catch2/catch.hpp>
#endif

namespace ott_test {

/// Says that a test could not run here, and why. Defined in main.cpp.
void note_skip(char const* why);

}  // namespace ott_test

/// Leaves the test case as skipped; ctest counts it so. Version 2 of Catch2 has no SKIP.
#define OTT_SKIP(why)         \
  do {                        \
    ott_test::note_skip(why); \
    SUCCEED("skipped: " why); \
    return;                   \
  } while (false)
