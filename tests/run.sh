#!/bin/bash
# tests/run.sh [--sanitize] [--no-build] [CTEST OPTION...]: installs what is missing, builds the tests and runs them, for
# example `tests/run.sh -R core/`. --sanitize: with the address and undefined-behaviour sanitizers, in a folder of their own.
# The last line is `N passed, N failed, N skipped`. FIRECAFFE_BUILD_DIR, FIRECAFFE_JOBS: as for examples/run.sh.
# FIRECAFFE_NETS: a list such as "lenet;googlenet" of the networks that programs are built with, where not all are wanted.
# FIRECAFFE_TEST_CUDA_ARCHITECTURES: a list such as "90" of those that tests are compiled for, where not all are wanted.
# FIRECAFFE_REQUIRE_CUDA=1: tests that find no GPU fail, and say why, where they are skipped otherwise.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../cmake/packages.sh"
sanitize=0; with_build=1
while :; do
  case ${1:-} in
    --sanitize) sanitize=1 ;;
    --no-build) with_build=0 ;;
    -h | --help) sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) break ;;
  esac
  shift
done

options=(-DFIRECAFFE_BUILD_TESTS=ON "-DFIRECAFFE_NETS=${FIRECAFFE_NETS:-}"
  "-DFIRECAFFE_TEST_CUDA_ARCHITECTURES=${FIRECAFFE_TEST_CUDA_ARCHITECTURES:-}")
if [ $sanitize = 1 ]; then
  build_dir=${FIRECAFFE_BUILD_DIR:-$source_dir/build-asan-ubsan}
  options+=(--preset asan-ubsan)
fi
if have_tool flock && mkdir -p "$build_dir" 2>/dev/null && [ -w "$build_dir" ]; then  # reports and folders have one name
  exec 9>"$build_dir/tests.lock"
  flock -n 9 || die "other tests are under way in $build_dir (FIRECAFFE_BUILD_DIR names another folder)"
fi
if [ $with_build = 1 ]; then
  need_for_library
  need_for_tests
  need_for_examples
  need_for_data
  install_missing
  (cd "$source_dir" && configure "${options[@]}")
  build all
fi

report=$build_dir/ctest.xml
rm -f "$report"
result=0
ctest --test-dir "$build_dir" --output-on-failure --no-tests=error --parallel "$(job_count)" --output-junit "$report" "$@" || result=$?
[ -s "$report" ] || die "ctest ended with $result and wrote no report"
# Skipped is only what says so itself (exit status 77); a test that did not start has failed.
awk -v RS='<testcase ' -v result="$result" '
  NR > 1 {
    if ($0 ~ /^[^>]*status="run"/) ++passed
    else if ($0 ~ /<skipped message="(SKIP_RETURN_CODE|Disabled|SKIP_REGULAR)/ || $0 ~ /^[^>]*status="disabled"/) ++skipped
    else ++failed
  }
  END {
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed ? 1 : result
  }' "$report"
