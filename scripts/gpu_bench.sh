#!/usr/bin/env bash
# All benchmarks on a GPU machine that has neither Google Benchmark nor our compiler.
#
#   scripts/gpu_bench.sh build [VERB...]   here: programs and libbenchmark into build/gpu/bench
#   scripts/gpu_bench.sh run [VERB...]     there: runs them; JSON, log, clocks and table into $OUT
#   scripts/gpu_bench.sh peers             there: torch's fp16 attention at the same shapes
#
# VERBs: decode append flush prefill; default all. OTT_BENCH_FILTER: a regular expression of rows.
# OTT_GPU_ARCH (default sm_90) chooses the GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build/gpu/bench
mode=${1:-run}
shift || true
verbs=("$@")
[ ${#verbs[@]} -eq 0 ] && verbs=(decode append flush prefill)

# One nvcc at a time where several share the machine (OTT_NVCC_LOCK names a lock file), and only
# what is older than something it includes.
compile() {
  local source=$1 object=$2 newer=yes
  if [ -e "$object" ] && [ -e "$object".d ]; then
    # the .d file: target, then our own headers; those of the system do not change
    newer=$(tr -s ' \\\n' '\n' <"$object".d | grep -E '^(bench|include)/' |
      xargs -r -I{} find {} -newer "$object" 2>&1)
  fi
  [ -z "$newer" ] && return 0
  echo "gpu_bench: $source"
  "${lock[@]}" "${CUDACXX:-nvcc}" -O3 -std=c++20 -arch="${OTT_GPU_ARCH:-sm_90}" -I include \
    -I bench -diag-suppress 554,179 -MD -MF "$object".d -c "$source" -o "$object"
}

build() {
  lock=()
  [ -n "${OTT_NVCC_LOCK:-}" ] && lock=(flock "$OTT_NVCC_LOCK")
  mkdir -p $folder build/gpu/bench_objects
  local source verb shared=()
  for source in bench/engines/*.cu bench/support/*.cu bench/support/*.cpp; do
    shared+=("build/gpu/bench_objects/$(basename "$source").o")
    compile "$source" "${shared[-1]}"
  done
  for verb in "${verbs[@]}"; do
    compile bench/"$verb"_bench.cu build/gpu/bench_objects/"$verb".o
    "${CUDACXX:-nvcc}" -arch="${OTT_GPU_ARCH:-sm_90}" build/gpu/bench_objects/"$verb".o "${shared[@]}" \
      -Xlinker -rpath='$ORIGIN' -lbenchmark -o $folder/"$verb"_bench
  done
  local library
  library=$(ldd $folder/"${verbs[0]}"_bench | awk '/libbenchmark/ { print $3 }')
  cp -L "$library" $folder/"$(objdump -p $folder/"${verbs[0]}"_bench |
    awk '/NEEDED.*libbenchmark/ { print $2 }')"
  ls -l $folder
}

# At most eight files come back from a device machine: four results, log, table, clocks, peers.
run() {
  local out=${OUT:-build/gpu/results} verb status=0
  chmod +x $folder/*_bench
  mkdir -p "$out"
  nvidia-smi --query-gpu=timestamp,name,driver_version,clocks.sm,clocks.mem,power.draw \
    --format=csv -lms 500 >"$out"/clocks.csv 2>/dev/null &
  local watcher=$!
  : >"$out"/log.txt
  for verb in "${verbs[@]}"; do
    timeout "${OTT_BENCH_SECONDS:-120}" $folder/"$verb"_bench \
      --benchmark_filter="${OTT_BENCH_FILTER:-.}" \
      --benchmark_out="$out/$verb.json" --benchmark_out_format=json 2>&1 |
      tee -a "$out"/log.txt || status=1
  done
  kill "$watcher" 2>/dev/null || true
  # Last, as the end of the output is what a reply shows.
  (cd "$out" && python3 "$OLDPWD"/scripts/plot_bench.py --table $(ls ./*.json)) |
    tee "$out"/table.md || status=1
  return $status
}

case $mode in
  build) build ;;
  run) run ;;
  peers) python3 bench/peers/torch_attention.py "${OUT:-build/gpu/results}"/peers.json ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
