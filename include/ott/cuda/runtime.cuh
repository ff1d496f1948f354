#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <cuda_runtime.h>

#include <ott/core/error.hpp>
#include <ott/cuda/stream.hpp>

// The door to the CUDA runtime: errors become ott::error here, kernels start here and nowhere else.
namespace ott {

/// Throws errc::device where a call of the runtime failed.
inline void check(cudaError_t status, char const* what) {
  if (status == cudaSuccess) return;
  fail(errc::device, what, "the CUDA runtime's answer", cudaGetErrorString(status), "success");
}

/// A number of the current device.
inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  check(cudaGetDevice(&device), "ott: current device");
  check(cudaDeviceGetAttribute(&value, attribute, device), "ott: device attribute");
  return value;
}

/// Can blocks start together, and kernels before the one ahead of them ends?
inline bool has_clusters() { return device_attribute(cudaDevAttrComputeCapabilityMajor) >= 9; }

/// How a kernel starts.
struct launch_shape {
  std::int64_t blocks;
  int threads;
  std::size_t shared_bytes = 0;
  bool overlaps = false;  // may start before the kernel ahead ends, and waits for it itself
  int cluster = 1;        // blocks that start together. requires has_clusters() where more than one
  int grid_y = 1;         // so many times as many blocks
  int grid_z = 1;
};

/// Shared memory of one block, checked and asked for. Throws errc::device where the device has
/// less.
inline void reserve_shared(char const* what, void const* kernel, std::size_t bytes) {
  constexpr std::size_t without_asking = 32 * 1024;  // 48 with what a kernel declares itself
  if (bytes <= without_asking) return;
  int const most = device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
  if (bytes > static_cast<std::size_t>(most)) {
    fail(errc::device, what, "shared memory of a block", std::to_string(bytes) + " bytes",
         "at most the device's " + std::to_string(most) + "; a smaller group or head_dim fits");
  }
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        what);
}

/// Starts a kernel; throws errc::device when it does not start. Asynchronous, capturable.
template <class... Params, class... Args>
void launch(char const* what, void (*kernel)(Params...), launch_shape shape, cuda_stream s,
            Args const&... args) {
  if (shape.blocks == 0) return;
  if (shape.blocks > 0x7fffffff) {
    fail(errc::device, what, "blocks of a launch", std::to_string(shape.blocks), "below 2^31");
  }
  int const most = shape.grid_y > shape.grid_z ? shape.grid_y : shape.grid_z;
  if (most > 0xffff) {
    fail(errc::device, what, "blocks of a launch in y or z", std::to_string(most), "below 2^16");
  }
  reserve_shared(what, reinterpret_cast<void const*>(kernel), shape.shared_bytes);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.grid_y),
                        static_cast<unsigned>(shape.grid_z));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = s;
  cudaLaunchAttribute attributes[2]{};
  config.attrs = attributes;
  if (shape.overlaps && has_clusters()) {
    cudaLaunchAttribute& overlap = attributes[config.numAttrs++];
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
  }
  if (shape.cluster > 1) {
    cudaLaunchAttribute& cluster = attributes[config.numAttrs++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {static_cast<unsigned>(shape.cluster), 1, 1};
  }
  check(cudaLaunchKernelEx(&config, kernel, args...), what);
}

}  // namespace ott
