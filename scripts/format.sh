#!/usr/bin/env bash
# Formats every C++ and CUDA file with clang-format 14; with --check only says which would change.
set -euo pipefail
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$format" ] || ! "$format" --version | grep -q 'version 14\.'; then
  echo "format: skipped, clang-format 14 is missing (scripts/bootstrap.sh lint)"
  exit 0
fi
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
find include tests examples bench docs -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' |
  sort | xargs -r "$format" --style=file "${mode[@]}"
