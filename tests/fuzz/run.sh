#!/bin/bash
# run.sh [--seconds N] [--jobs N] [TARGET...]
# Builds the libFuzzer targets of this folder (all, or those named) with clang++ and runs each for N seconds (600), as many
# at a time as there are cores or --jobs says. Inputs that reach new code are kept in FIRECAFFE_FUZZ_DIR (build-fuzz), from
# where the next run goes on; an input that fails is named. Needs the libraries of all readers. Prints a line per target.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. cmake/packages.sh  # core_count, die
dir=${FIRECAFFE_FUZZ_DIR:-build-fuzz}
seconds=600; jobs=$(core_count); targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    -h|--help) sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) echo "run.sh: there is no option $1" >&2; exit 2 ;;
    *) targets+=("$1"); shift ;;
  esac
done
if [ ${#targets[@]} = 0 ]; then
  for source in tests/fuzz/*.cpp; do
    name=$(basename "$source" .cpp); [ "$name" = seeds ] || targets+=("$name")
  done
fi
have_tool clang++ || die "clang++ is missing (Debian: clang)"
mkdir -p "$dir"

# How all are built; libraries that a target does not use are not linked.
flags=(-std=c++20 -g -O1 -Iinclude -Itests -isystem /usr/include/hdf5/serial)
libraries=(-Wl,--as-needed -lz -ljpeg -lpng -lhdf5_serial)
clang++ "${flags[@]}" tests/fuzz/seeds.cpp -o "$dir/seeds" "${libraries[@]}" && "$dir/seeds" "$dir/start" || exit 1

fuzz() {
  local name=$1 log=$dir/$1.log most=4096
  case $name in cifar|hdf5) most=10000 ;; esac
  mkdir -p "$dir/corpus/$name" "$dir/start/$name"
  clang++ "${flags[@]}" -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "tests/fuzz/$name.cpp" \
    -o "$dir/$name" "${libraries[@]}" || { echo "$name: does not build"; return 1; }
  if "$dir/$name" -max_total_time="$seconds" -max_len=$most -print_final_stats=1 -artifact_prefix="$dir/$name-" \
      "$dir/corpus/$name" "$dir/start/$name" >"$log" 2>&1; then
    echo "$name: clean, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
  else
    echo "$name: FAILED: $(grep -m1 -E 'ERROR|runtime error' "$log"), $(grep -m1 'Test unit written' "$log") (see $log)"
    return 1
  fi
}

rm -f "$dir/failed"
for name in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do sleep 1; done
  { fuzz "$name" || echo "$name" >>"$dir/failed"; } &
done
wait
[ ! -e "$dir/failed" ]
