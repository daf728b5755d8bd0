#!/usr/bin/env python3
"""Training throughput on a GPU, ours beside PyTorch's, in turns, so that both see the same device: throughput_cuda and
torch_gpu.py for every network, batch and precision.

In the first round PyTorch runs in every way, of which the fastest goes on; the one that began a round ends the next. Both
copy the images of every step from the host (--resident: PyTorch copies none). A program that fails, or takes too long, is
left out of that row, and said to have failed. Rows come batch by batch, so that every network has one early; --budget ends
the run where no time is left for another row. Prints a JSON line for every row as soon as it is measured (images/s are
medians over the rounds, the ratio is the median over their pairs; fraction_of_floor is the least time that a step could
take at the rates that the device reached, in fractions of the time that ours took) and for the geometric mean of each
precision; a table for people goes to stderr at the end. Without PyTorch it measures only ours.
"""
import argparse
import collections
import itertools
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time

from compare_nets import HERE, run_all

NETS = ("lenet", "nin", "alexnet", "googlenet", "vgg19", "resnet50")  # those in throughput_cuda
PRECISIONS = ("tf32", "bf16")  # of our devices, cuda_tf32_fastest and cuda_bf16_fastest
WAYS = ("eager", "graph", "graph_nchw", "compile")  # of torch_gpu.py; what compiles comes last, as it may take too long


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def several(name, default, help="", **more):
        parser.add_argument(name, nargs="+", default=default, help=f"{help} ({' '.join(map(str, default))})", **more)

    several("--nets", NETS)
    several("--batches", [128, 256, 32], type=int)
    several("--precisions", PRECISIONS, choices=PRECISIONS)
    several("--ways", WAYS, "to try PyTorch in, which torch_gpu.py explains")
    parser.add_argument("--resident", action="store_true", help="PyTorch's images are on the device already")
    parser.add_argument("--no-graphs", action="store_true", help="ours asks for every kernel of every step")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=1, help="that a run measures for (%(default)s)")

    def seconds(name, default, help):
        parser.add_argument(name, type=float, default=default, metavar="SECONDS", help=help + " (%(default)s)")

    seconds("--budget", 0, "for the whole run; 0: no end")
    seconds("--start-up", 120, "which a program may take beside ten times --seconds (for each way): then it is ended, and has "
            "failed")
    seconds("--compile", 240, "more for each way that compiles, which is not tried where less is left")
    parser.add_argument("--throughput", default=os.path.join(HERE, "..", "..", "build", "bench", "throughput_cuda"),
                        metavar="PROGRAM", help="ours (build/bench/throughput_cuda)")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch (this one)")
    o = parser.parse_args()
    if o.rounds < 1:
        parser.error("--rounds must be at least 1")
    o.end = time.monotonic() + o.budget if o.budget > 0 else math.inf
    return o


def left(o):
    return o.end - time.monotonic()


def complain(*what):
    print("compare_gpu.py:", *what, file=sys.stderr, flush=True)


def pytorch_missing(python, limit):
    """Why it cannot be used, or nothing."""
    check = "import torch; assert torch.cuda.is_available(), 'PyTorch finds no GPU'"
    try:
        done = subprocess.run([python, "-c", check], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=limit)
    except (OSError, subprocess.TimeoutExpired) as e:
        return str(e)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


class Ours:
    name = "ours"

    def __init__(self, o, net, batch, precision):
        self.o, self.limit = o, o.start_up + 10 * o.seconds
        self.failed = {}
        self.command = [o.throughput, "--net", net, "--device", f"cuda_{precision}_fastest", "--batch", str(batch),
                        "--seconds", str(o.seconds), "--rounds", "5", *(["--no-graphs"] if o.no_graphs else [])]

    def measure(self):
        """The JSON object of a run, or None and why."""
        results, why = run_all(self.command, limit=max(min(self.limit, left(self.o)), 1))
        return (None, why) if why else (results[-1], "")


class PyTorch:
    name = "PyTorch"

    def __init__(self, o, net, batch, precision):
        self.o, self.row = o, f"{net}, batch {batch}, {precision}"
        self.command = [o.python, os.path.join(HERE, "torch_gpu.py"), "--nets", net, "--batches", str(batch),
                        "--precisions", precision, "--seconds", str(o.seconds), "--rounds", "5",
                        *(["--resident"] if o.resident else []), "--ways"]
        self.ways, self.failed, self.tried = o.ways, {}, {}

    def measure(self):
        """The same, of the fastest way, which is the only one from then on."""
        o, limit, ways, whys = self.o, self.o.start_up, [], {}
        for way in self.ways:
            compiles = way.startswith("compile")
            if compiles and ways and left(o) < o.compile:
                whys[way] = "no time for it"
            else:
                limit += 10 * o.seconds + (o.compile if compiles else 0)
                ways.append(way)
        results, why = run_all([*self.command, *ways], limit=max(min(limit, left(o)), 1))
        said = {r["way"]: r for r in results if "way" in r}
        for way in ways:
            if "images_per_second" not in said.get(way, {}):
                whys[way] = said[way]["error"] if way in said else why
        for way in whys:
            complain(f"PyTorch, {self.row}: {way}: {whys[way]}")
        self.failed.update(whys)
        rates = {way: r["images_per_second"] for way, r in said.items() if "images_per_second" in r}
        if not rates:
            return None, "in every way"
        self.tried = self.tried or rates
        self.ways = [max(rates, key=rates.get)]
        return said[self.ways[0]], ""


def measure_row(o, programs, net, batch, precision):
    """Rounds of all programs, fewer where no time is left; what each measured, round by round, if it never failed."""
    running = [program(o, net, batch, precision) for program in programs]
    done = {p.name: [] for p in running}
    for number in range(o.rounds):
        begin = time.monotonic()
        for p in running if number % 2 == 0 else running[::-1]:
            if done[p.name] is None:
                continue
            result, why = p.measure()
            if result is not None:
                done[p.name].append(result)
            elif number > 0 and left(o) <= 0:  # the end of the time is no fault of its own
                complain(f"{p.name} has {number} round(s) only: {net}, batch {batch}, {precision}: {why}")
            else:
                complain(f"{p.name} failed: {net}, batch {batch}, {precision}: {why}")
                done[p.name], p.failed["in all"] = None, why
        if left(o) < time.monotonic() - begin:
            break
    return row_of(net, batch, precision, done, running)


def row_of(net, batch, precision, done, running):
    row = {"net": net, "batch": batch, "precision": precision}
    ours, theirs = done["ours"], done.get("PyTorch")
    if ours:
        row["images_per_second"] = statistics.median(r["images_per_second"] for r in ours)
        fractions = [r["fraction_of_floor"] for r in ours if "fraction_of_floor" in r]
        if fractions:
            row["fraction_of_floor"] = statistics.median(fractions)
    if theirs:
        row["pytorch"] = statistics.median(r["images_per_second"] for r in theirs)
        row["pytorch_way"], row["pytorch_input"] = theirs[-1]["way"], theirs[-1].get("input")
        row["pytorch_tried"] = running[-1].tried
    if ours and theirs:
        pairs = sorted(a["images_per_second"] / b["images_per_second"] for a, b in zip(ours, theirs))
        row["ratio"] = round(statistics.median(pairs), 3)
        row["pairs"] = [round(p, 3) for p in pairs]
    failed = {p.name: p.failed for p in running if p.failed}
    if failed:
        row["failed"] = failed
    return row


def print_table(o, rows):
    def field(row, name, form, width):
        return format(row[name], form) if name in row else "-".rjust(width)

    print(f"{'net':16}{'batch':>6}{'':>6}{'images/s':>11}{'PyTorch':>11}{'way':>17}{'ratio':>7}{'of floor':>10}  [pairs]",
          file=sys.stderr)
    ratios = collections.defaultdict(list)
    for row in rows:
        pairs = row.get("pairs")
        print(f"{row['net']:16}{row['batch']:6}{row['precision']:>6}{field(row, 'images_per_second', '11.1f', 11)}"
              f"{field(row, 'pytorch', '11.1f', 11)}{row.get('pytorch_way', '-'):>17}{field(row, 'ratio', '7.2f', 7)}"
              f"{field(row, 'fraction_of_floor', '10.2f', 10)}"
              f"{f'  [{pairs[0]:.2f}..{pairs[-1]:.2f}]' if pairs else ''}", file=sys.stderr)
        if pairs:
            ratios[row["precision"]].append(row["ratio"])
    for precision in o.precisions:
        each = ratios[precision]
        missing = len(o.nets) * len(o.batches) - sum(row["precision"] == precision for row in rows)
        summary = {"precision": precision, "rows": len(each), "rows_missing": missing}
        if each:
            summary["geometric_mean_ratio"] = round(statistics.geometric_mean(each), 3)
            print(f"{precision}: geometric mean {summary['geometric_mean_ratio']:.2f} over {len(each)} rows", file=sys.stderr)
        if missing:
            print(f"{precision}: {missing} row(s) missing, for which there was no time", file=sys.stderr)
        print(json.dumps(summary), flush=True)


def main():
    o = options()
    if not os.access(o.throughput, os.X_OK):
        sys.exit(f"no program {o.throughput}: build it first (cmake --build build --target bench_throughput_cuda)")
    programs = [Ours, PyTorch]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it still says what it has
    why = pytorch_missing(o.python, o.start_up)
    if why:
        complain(f"{o.python} has no PyTorch that can be used ({why}): only ours is measured")
        programs = [Ours]
    rows, longest = [], 0
    try:
        for batch, precision, net in itertools.product(o.batches, o.precisions, o.nets):
            if left(o) < longest or left(o) <= 0:
                break
            begin = time.monotonic()
            rows.append(measure_row(o, programs, net, batch, precision))
            print(json.dumps(rows[-1]), flush=True)
            longest = max(longest, time.monotonic() - begin)
    except KeyboardInterrupt:
        complain("ended from outside")
    print_table(o, rows)
    if not any("images_per_second" in row for row in rows):
        sys.exit("compare_gpu.py: ours ran in no row")


if __name__ == "__main__":
    main()
