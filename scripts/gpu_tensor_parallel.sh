#!/usr/bin/env bash
# examples/tensor_parallel on a machine with two GPUs and PyTorch (its NCCL and cuBLAS).
#
#   scripts/gpu_tensor_parallel.sh build   here: the program and a tiny checkpoint into build/gpu/tp
#   scripts/gpu_tensor_parallel.sh run     there, carrying build/gpu/tp: every check; exit code 0 says
#                                          that ranks equal one GPU and repeat bit for bit
#
# OTT_TP_SECONDS (60) ends one check, OTT_GPU_ARCH (90), OTT_NVCC_LOCK (a lock file, where several
# share the machine's nvcc), OTT_NCCL_ROOT (include/nccl.h and lib/libnccl.so, if not the system's).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/device.sh
folder=build/gpu/tp
tree=build/gpu/tp.build

build() {
  rm -rf $folder && mkdir -p $folder
  cmake --preset cuda -B $tree -DOTT_TESTS=OFF -DOTT_OPENBLAS=OFF \
    -DOTT_CUDA_ARCHITECTURES="${OTT_GPU_ARCH:-90}-real" -DOTT_LLAMA_HEAD_DIMS=64 \
    -DOTT_LLAMA_POLICIES=dense "-DOTT_LLAMA_CUDA_POLICIES=dense;kivi-2;rotated-2" \
    -DNCCL_ROOT="${OTT_NCCL_ROOT:-}" "${ott_launcher[@]}" >$folder.log 2>&1 ||
    { cat $folder.log && return 1; }
  cmake --build $tree -j "${OTT_JOBS:-1}" --target tensor_parallel
  strip -s -o $folder/tensor_parallel $tree/bin/tensor_parallel
  cp -L "$(ldd $folder/tensor_parallel | awk '/libcudart/ { print $3 }')" $folder/ || true
  PYTHONPATH=tests/llama /usr/bin/python3 -B -c "import tiny
tiny.write_model('$folder/tiny', tiny.QWEN2, tiny.random_tensors(tiny.QWEN2, 5), 'F32', 2)"
  du -sh $folder
}

run() {
  local failed=0 libs split
  libs=$(
    python3 - <<'FIND'
import glob
import os
import site

found = []
for base in site.getsitepackages() + ["/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu"]:
    for name in ("libnccl.so.2", "libcublas.so.13", "libcudart.so.13"):
        found += [os.path.dirname(p) for p in glob.glob(f"{base}/**/{name}", recursive=True)]
print(":".join(dict.fromkeys(found)))
FIND
  )
  export LD_LIBRARY_PATH=$libs:$PWD/$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} NCCL_NVLS_ENABLE=0
  cd $folder
  check() {
    local begin=$SECONDS status=0
    echo "== $*"
    timeout -k 5 "${OTT_TP_SECONDS:-60}" ./tensor_parallel "$@" || status=$?
    echo "== exit code $status after $((SECONDS - begin)) s"
    [ $status -eq 0 ] || failed=1
  }
  check check small --backend cuda
  check check small --backend cuda-bf16 --prompt 370 --steps 50
  check check smollm2-135m --backend cuda --policy dense,kivi-2 --prompt 370 --steps 50
  check check tiny --backend cuda --prompt 370 --steps 50
  for split in heads tokens; do
    check generate tiny --backend cuda --policy rotated-2 --split $split --max-new 24 \
      --prompt "1 5 9 12 3 7"
  done
  echo "gpu_tensor_parallel: $([ $failed = 0 ] && echo all equal || echo FAILED), $SECONDS s"
  return $failed
}

case ${1:-} in
  build) build ;;
  run) run 2>&1 | tee "${OUT:-build/gpu}/tensor_parallel.txt" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
