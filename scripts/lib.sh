# Sourced by scripts that run many steps: a step that fails does not stop the others, and the last
# line counts all of them.
ott_passed=0 ott_failed=0 ott_skipped=0

# step <name> <command...>: counts one pass or failure.
step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  if "$@"; then
    ott_passed=$((ott_passed + 1))
    echo "--- $name: ok, $((SECONDS - start)) s"
  else
    ott_failed=$((ott_failed + 1))
    echo "--- $name: FAILED, $((SECONDS - start)) s"
    ott_failed_steps="${ott_failed_steps:-}${ott_failed_steps:+, }$name"
  fi
}

# tests <preset>: configures, builds and runs a preset; counts every test of ctest's.
tests() {
  local preset=$1 report=build/$1/ctest.xml head n failed skipped
  rm -f "$report"
  step "build $preset" build_preset "$preset"
  [ -e "build/$preset/CTestTestfile.cmake" ] || return 0
  printf '\n=== test %s\n' "$preset"
  ctest --preset "$preset" --output-junit "$PWD/$report" || true
  if [ ! -e "$report" ]; then
    echo "--- test $preset: FAILED, ctest left no report"
    ott_failed=$((ott_failed + 1))
    ott_failed_steps="${ott_failed_steps:-}${ott_failed_steps:+, }test $preset"
    return 0
  fi
  head=$(grep -A8 -m1 '<testsuite' "$report" | tr '\n' ' ')
  n=$(sed -n 's/.*tests="\([0-9]*\)".*/\1/p' <<<"$head")
  failed=$(sed -n 's/.*failures="\([0-9]*\)".*/\1/p' <<<"$head")
  skipped=$(sed -n 's/.*skipped="\([0-9]*\)".*/\1/p' <<<"$head")
  ott_passed=$((ott_passed + n - failed - skipped))
  ott_failed=$((ott_failed + failed))
  ott_skipped=$((ott_skipped + skipped))
  [ "$failed" -eq 0 ] || ott_failed_steps="${ott_failed_steps:-}${ott_failed_steps:+, }test $preset"
}

all_tests() {
  tests host
  step "real model" ctest --test-dir build/host -L '^model$' --no-tests=error --output-on-failure
  tests host-asan
  tests host-tsan
  tests cuda-only
}

build_preset() {
  local preset=$1
  cmake --preset "$preset" -DOTT_WERROR="${OTT_WERROR:-OFF}" >"build/configure-$preset.log" ||
    { cat "build/configure-$preset.log" && return 1; }
  cmake --build --preset "$preset" -j "${OTT_JOBS:-2}"
}

# The closing line, alone on its line; the script's exit code follows it.
summary() {
  echo
  [ "$ott_failed" -eq 0 ] || echo "failed: ${ott_failed_steps:-?}"
  if [ "$ott_skipped" -gt 0 ]; then
    echo "$ott_passed passed, $ott_failed failed, $ott_skipped skipped"
  else
    echo "$ott_passed passed, $ott_failed failed"
  fi
  [ "$ott_failed" -eq 0 ]
}
