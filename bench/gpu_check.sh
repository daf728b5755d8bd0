#!/bin/bash
# gpu_check.sh BUILD OUT [SECONDS]
# What is worth knowing of a GPU, in SECONDS (900) at most and without network: the CUDA tests, which fail without a device;
# memcheck and racecheck of those of the layers; LeNet's accuracy on Fashion-MNIST; that two and four ranks on one device
# train as one does, and a trace of two; and compare_gpu.py in the rest of the time, a third at least. Each has a limit of
# its own. Logs, traces, results.jsonl and the summary, which is printed too, go to the folder OUT. The status is 1 where
# anything failed or was not run.
# BUILD is a build folder, or a folder with what this makes in it (tests/test_cuda_*, bench/throughput_cuda,
# examples/lenet_cuda):
#   cmake -S . -B build -G Ninja -DFIRECAFFE_CUDA=ON
#   cmake --build build --target test_cuda bench_throughput_cuda lenet_cuda
# cmake/stage_offline.sh collects what a machine without network lacks for that; its env.sh is to be sourced before.
# FIRECAFFE_FASHION_MNIST: the folder of the data; FIRECAFFE_PYTHON: an interpreter with PyTorch (python3);
# FIRECAFFE_COMPARE: options for compare_gpu.py, such as "--batches 128 --ways eager graph".
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../cmake/packages.sh"  # die, fashion_mnist_dir, mpi_environment
usage() { sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
case ${1:-} in -h | --help) usage; exit ;; esac
[ $# = 2 ] || [ $# = 3 ] || { usage >&2; exit 2; }
total=${3:-900}
[[ $total =~ ^[1-9][0-9]*$ ]] || die "SECONDS must be a number, not '$total'"
[ -d "$1" ] && mkdir -p "$2" || die "there must be a folder $1, and $2 must be one that can be written"
build=$(cd "$1" && pwd) out=$(cd "$2" && pwd)
python=${FIRECAFFE_PYTHON:-python3}
: >"$out/summary"; rm -f "$out"/ranks_*.jsonl
export FIRECAFFE_REQUIRE_CUDA=1
mpi_environment 4

end=$((SECONDS + total * 2 / 3))
left() { echo $((end - SECONDS)); }
note() { printf '%-28s %s\n' "$@" | tee -a "$out/summary"; }  # note NAME RESULT
check() {  # check NAME LIMIT COMMAND...: its output goes to NAME.log
  local name=$1 limit=$2 start=$SECONDS status=0; shift 2
  [ "$limit" -le "$(left)" ] || limit=$(left)
  [ "$limit" -ge 2 ] || { note "$name" "NOT RUN: no time is left"; return 1; }
  timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1 </dev/null || status=$?
  case $status in
    0) note "$name" "passed in $((SECONDS - start)) s" ;;
    77) note "$name" "FAILED: skipped itself" ;;
    124 | 137) note "$name" "FAILED: no end in $limit s" ;;
    *) note "$name" "FAILED: status $status, $(grep -v '^[ -]*$' "$out/$name.log" | tail -1 | cut -c1-160)" ;;
  esac
  return $status
}

tests=("$build"/tests/test_cuda_*)
[ -e "${tests[0]}" ] || note tests "NOT RUN: no $build/tests/test_cuda_*"
for test in "${tests[@]}"; do
  [ -f "$test" ] && [ -x "$test" ] || continue
  name=${test##*/}
  while [ "$(jobs -rp | wc -l)" -ge 4 ]; do wait -n; done
  if [[ $name == test_cuda_mpi* ]]; then
    for ranks in 1 2 4; do check "$name.$ranks" 120 mpirun -n $ranks "$test"; done &
  else
    check "$name" 150 "$test" &
  fi
done
wait

sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null)
for tool in memcheck racecheck; do
  ours=(); [ $tool = memcheck ] || ours=(--kernel-name kernel_substring=firecaffe)  # the libraries' races are theirs
  if [ -n "$sanitizer" ]; then
    check $tool $((total / 5)) "$sanitizer" --tool $tool "${ours[@]}" --error-exitcode 9 "$build/tests/test_cuda_layers" &
  else
    note $tool "NOT RUN: no compute-sanitizer"
  fi
done
wait

lenet=$build/examples/lenet_cuda device=${CUDA_VISIBLE_DEVICES:-0}
if data=$(fashion_mnist_dir); then
  check lenet 90 "$lenet" --epochs 10 "$data" &&
    check lenet_accuracy 10 awk '/^test accuracy/ { print; a = $3 } END { exit !(a >= 0.89) }' "$out/lenet.log"
  for ranks in 1 2 4; do
    check ranks_$ranks 60 env CUDA_VISIBLE_DEVICES="${device%%,*}" mpirun -n $ranks "$lenet" --epochs 1 --batch 128 \
      --metrics "$out/ranks_$ranks.jsonl" "$data"
  done
  check trace 60 env CUDA_VISIBLE_DEVICES="${device%%,*}" mpirun -n 2 "$lenet" --epochs 1 --batch 128 \
    --trace "$out/trace.json" "$data"
  # Sums in another order are all that differs: after some steps it shows, at first it does not.
  check ranks_agree 30 python3 -c '
import json, sys
one, *others = ([e["loss"] for e in map(json.loads, open(f)) if e["event"] == "step"][:20] for f in sys.argv[1:])
worst = max(abs(a - b) / a for other in others for a, b in zip(one, other, strict=True))
print(f"losses of {len(one)} steps differ by {worst:.2g} at most")
sys.exit(not (len(one) == 20 and worst < 1e-3))' "$out"/ranks_{1,2,4}.jsonl
else
  note lenet "NOT RUN: no Fashion-MNIST (FIRECAFFE_FASHION_MNIST)"
fi

end=$((end + total - total * 2 / 3))
# shellcheck disable=SC2086  # several options
check compare "$(left)" python3 "$here/peers/compare_gpu.py" --throughput "$build/bench/throughput_cuda" --python "$python" \
  --budget $(($(left) - 15)) ${FIRECAFFE_COMPARE:-}
grep '^{' "$out/compare.log" >"$out/results.jsonl" 2>/dev/null
sed '/^{/d; s/^/  /' "$out/compare.log" 2>/dev/null
printf '\n'; cat "$out/summary"
! grep -qE 'FAILED|NOT RUN' "$out/summary"
