#!/usr/bin/env bash
# Compiles tests/compile/*.cu for every architecture that ott supports, to machine code, and prints
# seconds and register spills. Nothing is run: this is how CI sees an architecture it has no GPU of.
#
#   scripts/compile_matrix.sh [arch...]     default: 80 89 90 100 120
set -euo pipefail
cd "$(dirname "$0")/.."
archs=("${@:-}")
[ -n "${archs[0]}" ] || archs=(80 89 90 100 120)
shopt -s nullglob
sources=(tests/compile/*.cu)
if [ ${#sources[@]} -eq 0 ]; then
  echo "compile_matrix: there is no tests/compile/*.cu to compile" >&2
  exit 1
fi
. scripts/bootstrap.sh
bootstrap cuda
out=build/compile-matrix
mkdir -p "$out"
rm -f "$out"/*

compile_one() {
  local source=$1 arch=$2 name log start=$SECONDS
  name=$(basename "$source" .cu).sm_$arch
  log=$out/$name.log
  if ! "$CUDACXX" -std=c++20 -O2 -DNDEBUG "-arch=sm_$arch" -Iinclude -Xptxas=-v -cubin \
    -o "$out/$name.cubin" "$source" 2>"$log"; then
    echo "$name: FAILED"
    head -c 4000 "$log"
    return 1
  fi
  awk -v name="$name" -v seconds=$((SECONDS - start)) '
    /Compiling entry function/ { kernels++ }
    /bytes spill stores/ {
      for (i = 2; i <= NF; i++) if ($i == "bytes" && $(i + 1) == "spill" && $(i + 2) ~ /stores/) spills += $(i - 1)
    }
    /Used [0-9]+ registers/ { for (i = 1; i < NF; i++) if ($i == "Used" && $(i+1) > top) top = $(i+1) }
    END { printf "%-40s %4d s  %3d kernels  %3d registers at most  %d bytes spilled\n",
          name, seconds, kernels, top, spills }' "$log"
}
export -f compile_one
export out CUDACXX

# Two at a time: nvcc takes gigabytes for each, and CI has two cores.
for source in "${sources[@]}"; do
  for arch in "${archs[@]}"; do
    printf '%s %s\n' "$source" "$arch"
  done
done | xargs -P "${OTT_JOBS:-2}" -L 1 bash -c 'compile_one "$@"' _
echo "compile_matrix: ${#sources[@]} files for sm_${archs[*]}"
