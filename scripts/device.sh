# Sourced by the scripts that build here and run on a GPU machine (gpu_*.sh).

# What CMake is told where several builds share one nvcc: OTT_NVCC_LOCK names a lock file.
ott_launcher=()
[ -z "${OTT_NVCC_LOCK:-}" ] ||
  ott_launcher=("-DCMAKE_CUDA_COMPILER_LAUNCHER=flock;$OTT_NVCC_LOCK")

# The GPU machine's nvcc.
device_nvcc() {
  echo "${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}"
}

# compile_objects <folder> <nvcc option...>: every .cu there to FILE.o, one a core.
compile_objects() {
  local folder=$1
  shift
  printf '%s\n' "$folder"/*.cu | xargs -P "${OTT_JOBS:-$(nproc)}" -I{} "$(device_nvcc)" -O2 \
    -DNDEBUG -std=c++20 "$@" -c {} -o {}.o
}

# The GPU machine's cuBLAS: the toolkit's, else that of the Python packages.
find_cublas() {
  find /usr/local/cuda*/ /opt /usr/lib -name 'libcublas.so.13' 2>/dev/null | head -1
}
