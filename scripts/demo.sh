#!/usr/bin/env bash
# The demo, from a bare Debian 12 with git: builds ott_eval and measures every built-in policy on a
# recorded piece of a small model's KV cache. With a GPU and nvcc the device lane is built too.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
. scripts/bootstrap.sh
bootstrap host

preset=host
if nvidia-smi -L >/dev/null 2>&1 && command -v nvcc >/dev/null; then
  preset=cuda
fi
cmake --preset $preset >build/configure-demo.log ||
  { cat build/configure-demo.log && exit 1; }
cmake --build --preset $preset -j "${OTT_JOBS:-2}" --target ott_eval

build/$preset/bin/ott_eval examples/data/smollm2-1k.safetensors \
  --json build/demo.json --plot build/demo.png
echo "wrote build/demo.json and build/demo.png"
