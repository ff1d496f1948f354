#!/usr/bin/env bash
# All tests, from a bare Debian 12 with git: host lane, sanitizers, races, and the CUDA lane
# compiled (and run, where there is a GPU). Ends with the counts.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
. scripts/lib.sh
. scripts/bootstrap.sh
bootstrap host lint llama cuda

all_tests
summary
