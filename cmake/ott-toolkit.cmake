# find_package(CUDAToolkit), for the build and for the installed package. CMake 3.25's module has a
# line for CUDA::nvToolsExt that fails with CUDA 13, which no longer has that library; it is skipped
# for a project that asks for less than 3.25. Global, so that a parent project sees CUDA::cudart.
if(NOT TARGET CUDA::cudart)
  block(PROPAGATE CUDAToolkit_FOUND CUDAToolkit_VERSION)
    set(CMAKE_MINIMUM_REQUIRED_VERSION 3.24)
    find_package(CUDAToolkit QUIET GLOBAL)
  endblock()
endif()
