# Finds the device lane. Sets OTT_HAVE_CUDA (our own programs have a CUDA lane) and makes
# CUDA::cudart known when there is a toolkit. A machine without nvcc is not an error.
set(OTT_HAVE_CUDA OFF)
if(NOT OTT_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "OTT_CUDA is '${OTT_CUDA}', want AUTO, ON or OFF")
endif()
if(OTT_CUDA STREQUAL "OFF")
  return()
endif()

# Only our own programs compile CUDA here; a project that embeds ott enables the language itself.
if(PROJECT_IS_TOP_LEVEL)
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    # CMake looks into PATH only; bootstrap.sh's nvcc lies in the build folder.
    find_program(OTT_NVCC nvcc PATHS /usr/local/cuda/bin
                                     ${PROJECT_SOURCE_DIR}/build/cuda-toolkit/nvidia/cu13/bin)
    if(OTT_NVCC)
      set(CMAKE_CUDA_COMPILER ${OTT_NVCC})
    endif()
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES ${OTT_CUDA_ARCHITECTURES})
    endif()
    enable_language(CUDA)
    set(OTT_HAVE_CUDA ON)
  elseif(OTT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "OTT_CUDA=ON but no nvcc was found; set CMAKE_CUDA_COMPILER, "
                        "or run scripts/bootstrap.sh cuda")
  endif()
endif()

include(${CMAKE_CURRENT_LIST_DIR}/ott-toolkit.cmake)
if(OTT_CUDA STREQUAL "ON" AND NOT TARGET CUDA::cudart)
  message(FATAL_ERROR "OTT_CUDA=ON but no CUDA toolkit was found; set CUDAToolkit_ROOT")
endif()
message(STATUS "ott: CUDA lane ${OTT_HAVE_CUDA}, toolkit ${CUDAToolkit_VERSION}")
