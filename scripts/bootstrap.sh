#!/usr/bin/env bash
# Installs what is missing, and only that: apt packages of Debian 12, and nvcc from PyPI.
#
#   scripts/bootstrap.sh host          compiler, CMake, Catch2 and what the tools want
#   scripts/bootstrap.sh cuda          also an nvcc: the machine's own, else build/cuda-toolkit
#   scripts/bootstrap.sh bench         also Google Benchmark
#   scripts/bootstrap.sh lint          also clang-format and a second compiler
#   scripts/bootstrap.sh llama         also what examples/llama and its scripts want
#
# OTT_NVCC=pypi takes nvcc from PyPI even where the machine has one.
# Sourced by the other scripts: afterwards CUDACXX names the nvcc, or is empty.
set -euo pipefail

ott_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ott_toolkit=$ott_root/build/cuda-toolkit

# One release, CUDA 13.0 update 2; a mixture of updates may not link.
ott_pypi=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 nvidia-cublas==13.1.0.3)

# Mirrors fail now and then: three tries, a pause between.
retry() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    echo "bootstrap: try $try failed: $*" >&2
    sleep $((5 * try))
  done
  return 1
}

apt_install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "bootstrap: apt-get install ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    echo "bootstrap: not root; as root run: apt-get install ${missing[*]}" >&2
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get update -qq
  retry apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

bootstrap_host() {
  apt_install g++ cmake ninja-build git ca-certificates catch2 nlohmann-json3-dev libcli11-dev \
    python3 python3-numpy python3-matplotlib
}

# nvcc's wheels share one folder, nvidia/cu13, laid out as a toolkit; what the wheels leave out is
# the names that linkers look for.
pypi_nvcc() {
  local home=$ott_toolkit/nvidia/cu13 library
  if [ ! -e "$ott_toolkit/complete" ]; then
    apt_install python3-pip ca-certificates
    rm -rf "$ott_toolkit"
    echo "bootstrap: nvcc from PyPI into ${ott_toolkit#"$ott_root"/}"
    retry /usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps \
      --no-compile --root-user-action=ignore --target "$ott_toolkit" "${ott_pypi[@]}"
    ln -sfn lib "$home/lib64"
    for library in "$home"/lib/lib*.so.[0-9]*; do
      ln -sfn "$(basename "$library")" "${library%%.so.*}.so"
    done
    touch "$ott_toolkit/complete"  # a download cut short is started anew
  fi
  export CUDACXX=$home/bin/nvcc CUDAToolkit_ROOT=$home
}

bootstrap_cuda() {
  local found=${CUDACXX:-$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)}
  if [ "${OTT_NVCC:-}" != pypi ] && [ -n "$found" ]; then
    export CUDACXX=$found
  else
    pypi_nvcc
  fi
  "$CUDACXX" --version | tail -n 2 | head -n 1
}

bootstrap() {
  local part
  for part in "$@"; do
    case $part in
      host) bootstrap_host ;;
      cuda) bootstrap_cuda ;;
      llama) apt_install libopenblas-dev python3-venv ;;
      bench) apt_install libbenchmark-dev ;;
      lint) apt_install clang-format clang ;;
      *) echo "bootstrap: unknown part '$part' (host, cuda, bench, lint, llama)" >&2 && return 1 ;;
    esac
  done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  bootstrap "${@:-host}"
fi
