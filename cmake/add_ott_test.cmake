# add_ott_test(<name> SOURCES <file>... LANES host|cuda...)
#
# One set of test files, one program a lane: <name> compiled by the C++ compiler and <name>_cuda,
# the same sources compiled by nvcc with OTT_TEST_CUDA defined. A .cu file takes part in the CUDA
# lane only. One program a folder and not a file: Catch2 links once, and CI has two cores.
include_guard()

find_package(Catch2 QUIET)
if(NOT Catch2_FOUND)
  # A machine where only the headers were carried to (Catch2 2 is one header).
  find_path(OTT_CATCH2_INCLUDE catch2/catch.hpp)
  if(NOT OTT_CATCH2_INCLUDE)
    message(FATAL_ERROR "ott: the tests want Catch2 2.13 or 3 (apt-get install catch2, "
                        "or scripts/bootstrap.sh host); -DOTT_TESTS=OFF builds without them")
  endif()
  add_library(Catch2::Catch2 INTERFACE IMPORTED)
  target_include_directories(Catch2::Catch2 INTERFACE ${OTT_CATCH2_INCLUDE})
else()
  include(Catch)
endif()

# Catch2's implementation and our main, compiled once; nvcc need not see it. It is not what sanitizers
# are to look at, and with them it takes g++ a minute.
set(main ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
add_library(ott_test_main STATIC ${main})
if(OTT_SANITIZE)
  set_property(SOURCE ${main} PROPERTY COMPILE_OPTIONS -fno-sanitize=all)
endif()
target_compile_features(ott_test_main PUBLIC cxx_std_20)
target_include_directories(ott_test_main PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(ott_test_main PUBLIC Catch2::Catch2 $<BUILD_INTERFACE:ott_own>)

# Exit code 77 is ours (support/main.cpp): nothing failed, something was skipped.
# One label, the lane: Catch2's own script splits a list of them.
function(ott_register_test target lane)
  set(properties LABELS ${lane} SKIP_RETURN_CODE 77)
  if(COMMAND catch_discover_tests)
    catch_discover_tests(${target} TEST_PREFIX "${target}: " DISCOVERY_MODE PRE_TEST
                         PROPERTIES ${properties})
  else()
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES ${properties})
  endif()
endfunction()

function(add_ott_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LANES" ${ARGN})
  if(NOT arg_SOURCES)
    return()  # a folder that holds no tests yet
  endif()
  set(host_sources ${arg_SOURCES})
  list(FILTER host_sources EXCLUDE REGEX "\\.cu$")

  if("host" IN_LIST arg_LANES AND "host" IN_LIST OTT_TEST_LANES AND host_sources)
    add_executable(${name} ${host_sources})
    target_link_libraries(${name} PRIVATE ott::ott ott_own ott_test_main)
    ott_register_test(${name} host)
  endif()

  if("cuda" IN_LIST arg_LANES AND "cuda" IN_LIST OTT_TEST_LANES AND OTT_HAVE_CUDA)
    # A source has one language a folder in CMake, so the second lane reads it through a .cu.
    set(cuda_sources)
    foreach(source IN LISTS arg_SOURCES)
      cmake_path(ABSOLUTE_PATH source NORMALIZE)
      if(NOT source MATCHES "\\.cu$")
        string(MD5 digest ${source})
        string(SUBSTRING ${digest} 0 6 digest)
        cmake_path(GET source STEM stem)
        set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${name}_cuda/${stem}_${digest}.cu)
        file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"${source}\"\n" @ONLY)
        # A test hands its own host lambdas and types to code that is for both sides, and runs it on
        # the host; nvcc warns that the device could not. Kernels are in .cu files, which keep it.
        set_property(SOURCE ${wrapper} PROPERTY COMPILE_OPTIONS -diag-suppress=20011,20013,20014,20015)
        set(source ${wrapper})
      endif()
      list(APPEND cuda_sources ${source})
    endforeach()
    add_executable(${name}_cuda ${cuda_sources})
    target_compile_definitions(${name}_cuda PRIVATE OTT_TEST_CUDA)
    target_link_libraries(${name}_cuda PRIVATE ott::cuda ott_own ott_test_main)
    ott_register_test(${name}_cuda cuda)
  endif()
endfunction()
