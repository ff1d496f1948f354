# Each tests/fail/<rule>.cpp must not compile, must say the sentence of its first line
# (// expect: ...), and must compile with -DOTT_POSITIVE_CONTROL.
include_guard()

function(add_fail_tests)
  file(GLOB cases CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fail/*.cpp)
  foreach(case IN LISTS cases)
    cmake_path(GET case STEM rule)
    add_test(NAME "fail: ${rule}"
             COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/fail/must_not_compile.py
                     ${case} --cxx ${CMAKE_CXX_COMPILER})
    set_tests_properties("fail: ${rule}" PROPERTIES LABELS "host;fail")
  endforeach()
endfunction()
