# Every header alone: .hpp with our C++ compiler and, where there is one, clang++; .cuh with nvcc.
# The work is a script (tests/headers/headers.py), as sixty little targets would say less.
include_guard()

function(add_header_tests)
  set(script ${PROJECT_SOURCE_DIR}/tests/headers/headers.py)
  if(OTT_HAVE_CUDA AND "cuda" IN_LIST OTT_TEST_LANES)
    add_test(NAME headers_alone_cuda COMMAND Python3::Interpreter ${script} alone --nvcc
                                             ${CMAKE_CUDA_COMPILER})
    set_tests_properties(headers_alone_cuda PROPERTIES LABELS cuda)
  endif()
  if(NOT "host" IN_LIST OTT_TEST_LANES)
    return()
  endif()
  add_test(NAME headers_alone COMMAND Python3::Interpreter ${script} alone --cxx
                                      ${CMAKE_CXX_COMPILER})
  find_program(OTT_CLANG NAMES clang++ clang++-14)
  if(OTT_CLANG AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_test(NAME headers_alone_clang COMMAND Python3::Interpreter ${script} alone --cxx
                                              ${OTT_CLANG})
    set_tests_properties(headers_alone_clang PROPERTIES LABELS host)
  endif()
  add_test(NAME headers_weight COMMAND Python3::Interpreter ${script} weight --cxx
                                       ${CMAKE_CXX_COMPILER})
  set_tests_properties(headers_alone headers_weight PROPERTIES LABELS host SKIP_RETURN_CODE 77)
endfunction()
