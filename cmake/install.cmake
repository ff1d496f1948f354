# find_package(ott) and find_package(ott COMPONENTS cuda).
include(CMakePackageConfigHelpers)
set(ott_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ott)

install(
  DIRECTORY include/ott
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING
  PATTERN "*.hpp"
  PATTERN "*.cuh")

# Two export files, so that a host-only user never hears of CUDA::cudart.
install(TARGETS ott EXPORT ott-targets)
install(TARGETS ott_cuda EXPORT ott-cuda-targets)
install(EXPORT ott-targets NAMESPACE ott:: DESTINATION ${ott_config_dir})
install(EXPORT ott-cuda-targets NAMESPACE ott:: DESTINATION ${ott_config_dir})

configure_package_config_file(cmake/ott-config.cmake.in ott-config.cmake
                              INSTALL_DESTINATION ${ott_config_dir})
# Before 1.0 a minor version may break; headers do not care for the pointer size.
write_basic_package_version_file(ott-config-version.cmake COMPATIBILITY SameMinorVersion
                                                          ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/ott-config.cmake ${PROJECT_BINARY_DIR}/ott-config-version.cmake
              cmake/ott-toolkit.cmake DESTINATION ${ott_config_dir})
