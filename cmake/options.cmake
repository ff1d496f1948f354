# Every option with its default. As a part of another project ott is only its two targets.
option(OTT_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(OTT_EXAMPLES "Build the examples and tools" ${PROJECT_IS_TOP_LEVEL})
option(OTT_BENCH "Build the benchmarks (Google Benchmark)" OFF)
option(OTT_INSTALL "Make install rules" ${PROJECT_IS_TOP_LEVEL})
option(OTT_WERROR "Warnings are errors in our own programs (CI)" OFF)

set(OTT_CUDA AUTO CACHE STRING "Device lane: AUTO (when nvcc is found), ON (required), OFF")
set_property(CACHE OTT_CUDA PROPERTY STRINGS AUTO ON OFF)
set(OTT_CUDA_ARCHITECTURES 90 CACHE STRING "GPU architectures of our own programs")

set(OTT_TEST_LANES host cuda CACHE STRING "Lanes whose tests are built: host, cuda")

# What a sanitizer preset adds to our own programs, compile and link.
set(OTT_SANITIZE "" CACHE STRING "Sanitizers of our own programs, as for -fsanitize=")
