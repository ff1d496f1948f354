#!/usr/bin/env bash
# State dumps of ott_eval on a GPU machine without the network, Catch2 or CMake: for every trace,
# built-in policy and way to cut the tokens, the same bytes as the host's.
#
#   scripts/gpu_eval.sh build [TRACE...]     here: all of it, with nvcc, into build/gpu/eval
#   scripts/gpu_eval.sh prepare [TRACE...]   here: all but the kernels, which `run` then compiles
#   scripts/gpu_eval.sh run [OPTION...]      there: tests/eval/gpu_dumps.py over them; log into $OUT
#   scripts/gpu_eval.sh stories              there: compiles and runs the examples that want a GPU
#
# Traces default to ../shared/models/traces/*.safetensors, else examples/data. OTT_EVAL_POLICIES
# (default: every built-in one) and OTT_GPU_ARCH (default 90) say what is compiled; OTT_NVCC_LOCK
# names a lock file where several share the machine's nvcc.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/device.sh
folder=build/gpu/eval
mode=${1:-run}
shift || true
arch=${OTT_GPU_ARCH:-90}

# What the traces hold: fp16 and bf16 of head_dim 64.
instances() {
  local policy made= all="dense kivi-2 kivi-3 kivi-4 kivi-8 ott-2 ott-3 ott-4 ott-8 rotated-2 \
    rotated-3 rotated-4"
  for policy in ${OTT_EVAL_POLICIES:-$all}; do
    made+=";$policy/half/64;$policy/bf16/64"
  done
  echo "${made#;}"
}

configure() {
  mkdir -p $folder/traces
  cmake --preset cuda -B $folder.build -DOTT_TESTS=OFF "${ott_launcher[@]}" \
    -DOTT_CUDA_ARCHITECTURES="$arch-real" -DOTT_EVAL_HEAD_DIMS=64 \
    -DOTT_EVAL_CUDA_INSTANCES="$(instances)" >$folder.log 2>&1 || { cat $folder.log && return 1; }
}

carry_traces() {
  local traces=("$@")
  shopt -s nullglob
  [ ${#traces[@]} -gt 0 ] || traces=(../shared/models/traces/*.safetensors)
  [ ${#traces[@]} -gt 0 ] || traces=(examples/data/*.safetensors)
  rm -f $folder/traces/*
  cp "${traces[@]}" $folder/traces/
  du -sh $folder
}

build() {
  configure
  cmake --build $folder.build -j "${OTT_JOBS:-1}" --target ott_eval
  rm -rf $folder/objects
  strip -s -o $folder/ott_eval $folder.build/bin/ott_eval
  cp -L "$(ldd $folder.build/bin/ott_eval | awk '/libcudart/ { print $3 }')" $folder/
}

# The objects of every .cpp, and the .cu files that CMake made, which are a few lines each.
prepare() {
  configure
  rm -rf $folder/objects $folder/ott_eval
  mkdir -p $folder/objects
  local built=$folder.build/examples/ott_eval/CMakeFiles/ott_eval.dir objects name
  objects=$(ninja -C $folder.build -t inputs ott_eval | grep -E 'ott_eval\.dir/.*\.cpp\.o$')
  # shellcheck disable=SC2086
  cmake --build $folder.build -j "${OTT_JOBS:-1}" --target ott_example_support $objects
  cp $built/*.cpp.o $folder.build/examples/libott_example_support.a $folder/objects/
  cp examples/ott_eval/cuda_ready.cu $folder/objects/
  for name in $(instances | tr '/;' '_ '); do
    cp $folder.build/examples/ott_eval/cuda_"$name".cu $folder/objects/
  done
  strip -g $folder/objects/*.o
}

compile_there() {
  compile_objects $folder/objects "-arch=sm_$arch" -I include -I examples -I examples/ott_eval
  "$(device_nvcc)" "-arch=sm_$arch" $folder/objects/*.o $folder/objects/*.a -o $folder/ott_eval
  echo "gpu_eval: kernels compiled after $SECONDS s"
}

run() {
  local out=${OUT:-build/gpu/results}
  mkdir -p "$out"
  [ -e $folder/ott_eval ] || compile_there
  chmod +x $folder/ott_eval
  LD_LIBRARY_PATH=$PWD/$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    python3 -B tests/eval/gpu_dumps.py $folder/ott_eval $folder/traces/*.safetensors "$@" 2>&1 |
    tee "$out"/eval_dumps.txt
}

stories() {
  local story name sources made nvcc status=0
  made=$(mktemp -d)
  nvcc=$(device_nvcc)
  for story in examples/0*; do
    sources=("$story")
    [ ! -d "$story" ] || sources=("$story"/*.cpp "$story"/*.cu)
    [[ ${sources[*]} == *.cu* ]] || continue
    name=$(basename "${story%.*}")
    if "$nvcc" -O2 -std=c++20 "-arch=sm_$arch" -I include "${sources[@]}" -o "$made/$name" &&
      "$made/$name"; then
      echo "gpu_eval: $name passed"
    else
      echo "gpu_eval: $name FAILED"
      status=1
    fi
  done
  rm -rf "$made"
  return $status
}

case $mode in
  build | prepare)
    $mode
    carry_traces "$@"
    ;;
  run) run "$@" ;;
  stories) stories ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
