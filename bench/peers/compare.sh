#!/bin/bash
# compare.sh [--rounds N] [--seconds S] [--batch N] [--build FOLDER]: LeNet training, ours beside PyTorch, in turns, so that
# both see the same machine: (a) one thread against one thread, (b) two MPI ranks against DDP with gloo on two processes.
# The JSON lines of every run and of the comparison go to stdout, a table to stderr. A round runs everything once, in
# turned order every other round; figures are medians over rounds. PyTorch runs with its default allocator and tuned,
# nhwc (its fastest here; --formats "nchw nhwc" for both): the ratios are against its best setting in
# images/s and, for memory, against its smallest one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=5 seconds=3 batch=64 build=$here/../../build formats=nhwc
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 ;; --seconds) seconds=$2 ;; --batch) batch=$2 ;; --build) build=$2 ;; --formats) formats=$2 ;;
    *) sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
  shift 2
done
die() { echo "compare.sh: $*" >&2; exit 1; }
ours=$build/bench/throughput
[ -x "$ours" ] || die "no $ours: build it first (cmake --build build --target bench_throughput)"
python=""
for candidate in "${PYTHON:-}" /usr/bin/python3 python3; do
  if [ -n "$candidate" ] && "$candidate" -c 'import torch, numpy' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || die "no Python with PyTorch (Debian: python3-torch; PYTHON names another interpreter)"
# As cmake/mpi.env, but bound and without yielding where there are two cores.
while IFS= read -r line; do
  [[ $line =~ yield|binding ]] && [ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ] && continue
  printenv "${line%%=*}" >/dev/null || export "${line?}"
done <"$here/../../cmake/mpi.env"

export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
tuned=(env MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184)
huge=("${tuned[@]}" GLIBC_TUNABLES=glibc.malloc.hugetlb=1)
both=$((2 * batch))  # of two ranks together: each has the batch of the one
mpirun=(mpirun -n 2); command -v mpirun >/dev/null || mpirun=(mpiexec -n 2)

runs=$(mktemp); trap 'rm -f "$runs" "$runs.err"' EXIT
run() {  # run CASE WHO COMMAND...: keeps the last JSON line
  local part=$1 who=$2 line; shift 2
  line=$("$@" 2>"$runs.err" | grep '^{' | tail -1) || die "failed: $*: $(tail -1 "$runs.err")"
  printf '{"case": "%s", "who": "%s", %s\n' "$part" "$who" "${line#\{}" | tee -a "$runs"
}
experiments() {
  local format
  echo "one_thread|firecaffe|$ours --net lenet --batch $batch --threads 1"
  for format in $formats; do
    echo "one_thread|pytorch $format|$python $here/torch_throughput.py --batch $batch --format $format --seconds $seconds"
    echo "one_thread|pytorch $format tuned|${tuned[*]} $python $here/torch_throughput.py --batch $batch --format $format --seconds $seconds"
    echo "one_thread|pytorch $format tuned huge pages|${huge[*]} $python $here/torch_throughput.py --batch $batch --format $format --seconds $seconds"
  done
  echo "two_ranks|firecaffe|${mpirun[*]} $ours --net lenet --batch $both --threads 1"
  for format in $formats; do
    echo "two_ranks|pytorch $format|$python $here/torch_ddp.py --batch $both --format $format --seconds $seconds"
    echo "two_ranks|pytorch $format tuned|${tuned[*]} $python $here/torch_ddp.py --batch $both --format $format --seconds $seconds"
    echo "two_ranks|pytorch $format tuned pinned|${tuned[*]} $python $here/torch_ddp.py --batch $both --format $format --seconds $seconds --pin"
  done
}
for ((round = 1; round <= rounds; ++round)); do
  order=cat; [ $((round % 2)) = 0 ] && order=tac
  while IFS='|' read -r part who command; do
    read -ra words <<<"$command"
    run "$part" "$who" "${words[@]}" </dev/null
  done < <(experiments | $order)
done

"$python" - "$runs" <<'PYTHON'
import collections, json, statistics, sys
runs = collections.defaultdict(lambda: collections.defaultdict(list))
for line in open(sys.argv[1]):
    r = json.loads(line)
    runs[r["case"]][r["who"]].append(r)
print(f"{'':12}{'':34}{'images/s':>10}   lowest..highest   peak MiB", file=sys.stderr)
for case, whos in sorted(runs.items()):
    speed = {w: statistics.median(r["images_per_second"] for r in rs) for w, rs in whos.items()}
    memory = {w: statistics.median(r["peak_rss_bytes"] for r in rs) for w, rs in whos.items()}
    for w, rs in whos.items():
        each = [r["images_per_second"] for r in rs]
        print(f"{case:12}{w:34}{speed[w]:10.0f}   {min(each):6.0f}..{max(each):<9.0f}{memory[w] / 2**20:10.0f}", file=sys.stderr)
    peers = [w for w in whos if w != "firecaffe"]
    best, smallest = max(peers, key=speed.get), min(peers, key=memory.get)
    pairs = sorted(a["images_per_second"] / b["images_per_second"] for a, b in zip(whos["firecaffe"], whos[best]))
    result = {"case": case, "peer": best, "speed_ratio": round(speed["firecaffe"] / speed[best], 3),
              "speed_ratio_pairs": [round(p, 3) for p in pairs],
              "memory_peer": smallest, "memory_ratio": round(memory["firecaffe"] / memory[smallest], 3)}
    print(json.dumps(result))
    print(f"{case}: {result['speed_ratio']} times the images/s of {best} (pairs {pairs[0]:.2f}..{pairs[-1]:.2f}), "
          f"{result['memory_ratio']} of the memory of {smallest}", file=sys.stderr)
PYTHON
