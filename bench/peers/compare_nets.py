#!/usr/bin/env python3
"""Training throughput of the networks of the zoo, ours beside PyTorch's, in turns, so that both see the same machine.

PyTorch runs at its best: glibc told to keep big blocks and to use huge pages, threads bound to cores, OpenBLAS told what
processor it runs on where it does not know, and in the first round in every layout, of which the fastest goes on. Prints
the JSON line of every run and of each comparison; a table for people goes to stderr.
"""
import argparse
import collections
import ctypes
import ctypes.util
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BATCHES = {"lenet": 64, "nin": 16, "alexnet": 64, "bvlc_alexnet": 64, "bvlc_alexnet_without_lrn": 64, "googlenet": 16,
           "googlenet_plain": 16, "googlenet_plain_without_lrn": 16, "squeezenet": 16, "resnet18": 16, "resnet50": 16,
           "vgg16": 8, "vgg19": 8}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=",".join(BATCHES), help="comma-separated (all)")
    parser.add_argument("--threads", default="1,2", help="comma-separated (1,2)")
    parser.add_argument("--batch", type=int, default=0, help="of all nets (0: each its own: %s)" %
                        ", ".join(f"{n} {b}" for n, b in BATCHES.items()))
    parser.add_argument("--formats", default="nchw,nhwc,mkldnn", help="layouts to try PyTorch in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6, help="that a run measures for")
    parser.add_argument("--start-up", type=float, default=300,
                        help="seconds beside ten times those that it measures for, after which a run is ended and has failed "
                             "(%(default)s)")
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has PyTorch")
    return parser.parse_args()


def blas_setting():
    """OpenBLAS falls back to its oldest kernels on processors that are younger than it."""
    library = ctypes.util.find_library("openblas")
    if library is None:
        return {}
    name = ctypes.CDLL(library).openblas_get_corename
    name.restype = ctypes.c_char_p
    with open("/proc/cpuinfo") as file:
        flags = file.read()
    if name() not in (b"Prescott", b"Core2"):
        return {}
    return {"OPENBLAS_CORETYPE": "SKYLAKEX" if " avx512f " in flags else "HASWELL"} if " avx2 " in flags else {}


def objects(text):
    for line in text.splitlines():
        try:
            if line.startswith("{"):
                yield json.loads(line)
        except ValueError:  # cut off in the middle
            pass


def run_all(command, environment={}, limit=None):
    """The JSON objects that a program printed, and why it failed, if it did; after `limit` seconds it is ended."""
    # Files, as a pipe may be held open by what the program has started.
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        why = ""
        try:
            done = subprocess.run(command, env={**os.environ, **environment}, stdout=out, stderr=err, timeout=limit)
        except subprocess.TimeoutExpired:
            why = f"ended after {limit:.0f} seconds"
        except OSError as e:
            return [], str(e)
        out.seek(0)
        err.seek(0)
        results, message = list(objects(out.read())), err.read().strip().splitlines()
    if why or (done.returncode == 0 and results):
        return results, why
    return results, message[-1] if message else f"status {done.returncode}"


def run(command, environment, limit):
    results, why = run_all(command, environment, limit)
    return (None, why) if why else (results[-1], "")


def main():
    o = options()
    threads_list = [int(t) for t in o.threads.split(",")]
    limit = o.start_up + 10 * o.seconds
    tuned = {"MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TRIM_THRESHOLD_": "17179869184",
             "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONDONTWRITEBYTECODE": "1", **blas_setting()}
    ratios = collections.defaultdict(list)
    print(f"{'net':28}{'batch':>6}{'threads':>8}{'images/s':>10}{'PyTorch':>10}{'layout':>8}  ratio  [pairs]         "
          f"peak MiB{'PyTorch':>9}", file=sys.stderr)
    for net in o.nets.split(","):
        for threads in threads_list:
            batch = o.batch or BATCHES[net]
            bound = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads),
                     **({"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"} if threads > 1 else {})}
            ours_command = [os.path.join(o.build, "bench", "throughput"), "--net", net, "--batch", str(batch),
                            "--threads", str(threads), "--seconds", str(o.seconds), "--rounds", "5"]
            base, lrn = net, []
            if net.endswith("_without_lrn"):
                base, lrn = net[:-len("_without_lrn")], ["--no-lrn"]

            def theirs(layout):
                result, why = run([o.python, os.path.join(HERE, "torch_throughput.py"), "--net", base, *lrn, "--batch",
                                   str(batch), "--threads", str(threads), "--format", layout, "--seconds",
                                   str(o.seconds)], {**tuned, **bound}, limit)
                if result is None:
                    print(f"PyTorch, {net}, {layout}: {why}", file=sys.stderr)
                else:
                    print(json.dumps({"who": "pytorch", **result}), flush=True)
                return result

            ours_all, theirs_all, best = [], [], None
            for round_number in range(o.rounds):
                ours, why = run(ours_command, {"OMP_NUM_THREADS": str(threads)}, limit)
                if ours is None:
                    sys.exit(f"{' '.join(ours_command)}: {why}")
                print(json.dumps({"who": "firecaffe", **ours}), flush=True)
                if best is None:
                    tried = {layout: theirs(layout) for layout in o.formats.split(",")}
                    tried = {layout: r for layout, r in tried.items() if r is not None}
                    if not tried:
                        sys.exit(f"PyTorch runs {net} in none of {o.formats}")
                    best = max(tried, key=lambda layout: tried[layout]["images_per_second"])
                    other = tried[best]
                else:
                    other = theirs(best)
                if other is not None:  # a round counts where both ran
                    ours_all.append(ours), theirs_all.append(other)
            speed = [statistics.median(r["images_per_second"] for r in rs) for rs in (ours_all, theirs_all)]
            memory = [statistics.median(r["peak_rss_bytes"] for r in rs) for rs in (ours_all, theirs_all)]
            pairs = sorted(a["images_per_second"] / b["images_per_second"] for a, b in zip(ours_all, theirs_all))
            ratio = statistics.median(pairs)
            ratios[threads].append(ratio)
            print(json.dumps({"net": net, "batch": batch, "threads": threads, "images_per_second": speed[0],
                              "pytorch": speed[1], "pytorch_layout": best, "ratio": round(ratio, 3),
                              "pairs": [round(p, 3) for p in pairs], "memory_ratio": round(memory[0] / memory[1], 3)}),
                  flush=True)
            print(f"{net:28}{batch:6}{threads:8}{speed[0]:10.2f}{speed[1]:10.2f}{best:>8}{ratio:7.2f}  "
                  f"[{pairs[0]:.2f}..{pairs[-1]:.2f}]{memory[0] / 2**20:14.0f}{memory[1] / 2**20:9.0f}",
                  file=sys.stderr, flush=True)
    for threads, all_of_them in ratios.items():
        mean = statistics.geometric_mean(all_of_them)
        print(json.dumps({"threads": threads, "geometric_mean_ratio": round(mean, 3)}))
        print(f"{threads} thread(s): geometric mean {mean:.2f}", file=sys.stderr)


if __name__ == "__main__":
    main()
