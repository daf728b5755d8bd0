#!/usr/bin/env python3
"""Training throughput on a GPU, ours beside PyTorch's, in turns, so that both see the same device: throughput_cuda and
torch_gpu.py for every network, batch and precision.

In the first round PyTorch runs in every way, of which the fastest goes on; the one that began a round ends the next. A
program that fails is left out of that row, and said to have failed. Prints a JSON line for every row as soon as it is
measured (images/s are medians over the rounds, the ratio is the median over their pairs; fraction_of_floor is the least
time that a step could take at the rates that the device reached, in fractions of the time that ours took) and for the
geometric mean of each precision; a table for people goes to stderr at the end. Without PyTorch it measures only ours.
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys

from compare_nets import HERE, run_all

NETS = ("lenet", "nin", "alexnet", "googlenet", "vgg19", "resnet50")  # those in throughput_cuda
PRECISIONS = ("tf32", "bf16")  # of our devices, cuda_tf32_fastest and cuda_bf16_fastest


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def several(name, default, help="", **more):
        parser.add_argument(name, nargs="+", default=default, help=f"{help} ({' '.join(map(str, default))})", **more)

    several("--nets", NETS)
    several("--batches", [32, 128, 256], type=int)
    several("--precisions", PRECISIONS, choices=PRECISIONS)
    several("--ways", ["eager", "graph"], "to try PyTorch in")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=1, help="that a run measures for (%(default)s)")
    parser.add_argument("--throughput", default=os.path.join(HERE, "..", "..", "build", "bench", "throughput_cuda"),
                        metavar="PROGRAM", help="ours (build/bench/throughput_cuda)")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch (this one)")
    o = parser.parse_args()
    if o.rounds < 1:
        parser.error("--rounds must be at least 1")
    return o


def complain(*what):
    print("compare_gpu.py:", *what, file=sys.stderr, flush=True)


def pytorch_missing(python):
    """Why it cannot be used, or nothing."""
    check = "import torch; assert torch.cuda.is_available(), 'PyTorch finds no GPU'"
    try:
        done = subprocess.run([python, "-c", check], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as e:
        return str(e)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


class Ours:
    name = "ours"

    def __init__(self, o, net, batch, precision):
        self.command = [o.throughput, "--net", net, "--device", f"cuda_{precision}_fastest", "--batch", str(batch), "--seconds",
                        str(o.seconds), "--rounds", "5"]

    def measure(self):
        """The JSON object of a run, or None and why."""
        results, why = run_all(self.command)
        return (None, why) if why else (results[-1], "")


class PyTorch:
    name = "PyTorch"

    def __init__(self, o, net, batch, precision):
        self.row = f"{net}, batch {batch}, {precision}"
        self.command = [o.python, os.path.join(HERE, "torch_gpu.py"), "--nets", net, "--batches", str(batch),
                        "--precisions", precision, "--seconds", str(o.seconds), "--rounds", "5", "--ways"]
        self.ways = o.ways

    def measure(self):
        """The same, of the fastest way, which is the only one from then on."""
        results, why = run_all([*self.command, *self.ways])
        whys = [f"{r.get('way')}: {r['error']}" for r in results if "error" in r] + ([why] if why else [])
        results = [r for r in results if "images_per_second" in r]
        if not results:
            return None, "; ".join(whys)
        for w in whys:
            complain(f"PyTorch goes on without a way that failed: {self.row}: {w}")
        best = max(results, key=lambda r: r["images_per_second"])
        self.ways = [best["way"]]
        return best, ""


def measure_row(o, programs, net, batch, precision):
    """Rounds of all programs; what each measured, round by round, if it never failed."""
    running = [program(o, net, batch, precision) for program in programs]
    done = {p.name: [] for p in running}
    for number in range(o.rounds):
        for p in running if number % 2 == 0 else running[::-1]:
            if done[p.name] is None:
                continue
            result, why = p.measure()
            if result is None:
                complain(f"{p.name} failed: {net}, batch {batch}, {precision}: {why}")
                done[p.name] = None
            else:
                done[p.name].append(result)
    return done


def row_of(net, batch, precision, done):
    row = {"net": net, "batch": batch, "precision": precision}
    ours, theirs = done["ours"], done.get("PyTorch")
    if ours:
        row["images_per_second"] = statistics.median(r["images_per_second"] for r in ours)
        fractions = [r["fraction_of_floor"] for r in ours if "fraction_of_floor" in r]
        if fractions:
            row["fraction_of_floor"] = statistics.median(fractions)
    if theirs:
        row["pytorch"] = statistics.median(r["images_per_second"] for r in theirs)
        row["pytorch_way"] = theirs[-1]["way"]
    if ours and theirs:
        pairs = sorted(a["images_per_second"] / b["images_per_second"] for a, b in zip(ours, theirs))
        row["ratio"] = round(statistics.median(pairs), 3)
        row["pairs"] = [round(p, 3) for p in pairs]
    return row


def print_table(rows):
    def field(row, name, form, width):
        return format(row[name], form) if name in row else "-".rjust(width)

    print(f"{'net':16}{'batch':>6}{'':>6}{'images/s':>11}{'PyTorch':>11}{'way':>9}{'ratio':>7}{'of floor':>10}  [pairs]",
          file=sys.stderr)
    ratios = collections.defaultdict(list)
    for row in rows:
        pairs = row.get("pairs")
        print(f"{row['net']:16}{row['batch']:6}{row['precision']:>6}{field(row, 'images_per_second', '11.1f', 11)}"
              f"{field(row, 'pytorch', '11.1f', 11)}{row.get('pytorch_way', '-'):>9}{field(row, 'ratio', '7.2f', 7)}"
              f"{field(row, 'fraction_of_floor', '10.2f', 10)}"
              f"{f'  [{pairs[0]:.2f}..{pairs[-1]:.2f}]' if pairs else ''}", file=sys.stderr)
        if pairs:
            ratios[row["precision"]].append(row["ratio"])
    for precision, each in ratios.items():
        mean = statistics.geometric_mean(each)
        print(json.dumps({"precision": precision, "rows": len(each), "geometric_mean_ratio": round(mean, 3)}))
        print(f"{precision}: geometric mean {mean:.2f} over {len(each)} rows", file=sys.stderr)


def main():
    o = options()
    if not os.access(o.throughput, os.X_OK):
        sys.exit(f"no program {o.throughput}: build it first (cmake --build build --target bench_throughput_cuda)")
    programs = [Ours, PyTorch]
    why = pytorch_missing(o.python)
    if why:
        complain(f"{o.python} has no PyTorch that can be used ({why}): only ours is measured")
        programs = [Ours]
    rows = []
    for net in o.nets:
        for batch in o.batches:
            for precision in o.precisions:
                rows.append(row_of(net, batch, precision, measure_row(o, programs, net, batch, precision)))
                print(json.dumps(rows[-1]), flush=True)
    print_table(rows)
    if not any("images_per_second" in row for row in rows):
        sys.exit("compare_gpu.py: ours ran in no row")


if __name__ == "__main__":
    main()
