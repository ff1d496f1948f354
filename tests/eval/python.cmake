# Sets OTT_NUMPY_PYTHON to a Python that has NumPy: the one CMake found, else the distribution's.
include_guard()
set(OTT_NUMPY_PYTHON)
foreach(candidate ${Python3_EXECUTABLE} /usr/bin/python3)
  if(NOT OTT_NUMPY_PYTHON)
    execute_process(COMMAND ${candidate} -c "import numpy" RESULT_VARIABLE failed OUTPUT_QUIET
                                                                                 ERROR_QUIET)
    if(NOT failed)
      set(OTT_NUMPY_PYTHON ${candidate})
    endif()
  endif()
endforeach()
if(NOT OTT_NUMPY_PYTHON)
  message(FATAL_ERROR "ott: tests/eval wants a Python with NumPy (apt-get install python3-numpy, "
                      "or scripts/bootstrap.sh host)")
endif()
