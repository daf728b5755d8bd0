#!/usr/bin/env python3
"""Draws what bench/allreduce printed: time against size, a curve per algorithm, the lower bound as a line.

plot_allreduce.py RESULTS... -o FIGURE.svg [--relative] [--title TEXT]

RESULTS hold the JSON lines of one or more runs; there is one panel for each number of ranks and nodes. Of an algorithm
that was measured with several segments and windows, the best at each size is drawn. --relative draws times as
multiples of the lower bound 2 (p - 1) / p bytes / bandwidth, for runs that were told the bandwidth.
"""
import argparse
import json
import sys


def read(paths):
    """[(ranks, nodes)][algorithm on transport][bytes] -> (median, p10, p90), and [...][bytes] -> bound, all in seconds"""
    times, bounds = {}, {}
    for path in paths:
        with open(path) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    r = json.loads(line)
                    if r["benchmark"] != "allreduce":
                        continue
                    panel, size = (r["ranks"], r["nodes"]), r["bytes"]
                    name = r["algorithm"] if r["transport"] in ("-", "mpi") else f"{r['algorithm']} ({r['transport']})"
                    found = tuple(1e-6 * r[key] for key in ("microseconds", "p10", "p90"))
                except (ValueError, KeyError, TypeError) as e:
                    sys.exit(f"{path}, line {number}: {e!r}")
                curve = times.setdefault(panel, {}).setdefault(name, {})
                curve[size] = min(curve.get(size, found), found)
                if "bound_microseconds" in r:
                    bounds.setdefault(panel, {})[size] = 1e-6 * r["bound_microseconds"]
    if not times:
        sys.exit("no results in " + ", ".join(paths))
    return times, bounds


def size_label(size):
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10), ("MB", 10**6), ("KB", 10**3)):
        if size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def draw(times, bounds, relative, title, path):
    try:
        import matplotlib
    except ImportError:
        sys.exit("matplotlib is missing (Debian: python3-matplotlib)")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "firecaffe"  # the same bytes for the same results
    from matplotlib import pyplot as plt

    panels = sorted(times)
    names = sorted({name for curves in times.values() for name in curves})
    theirs = ("mpi_allreduce", "blocking_mpi_allreduce", "gloo_ring")
    colours = plt.get_cmap("tab20").colors
    figure, axes = plt.subplots(1, len(panels), figsize=(6.2 * len(panels) + 2.4, 5.2), squeeze=False, sharey=True)
    for panel, axis in zip(panels, axes[0]):
        bound = bounds.get(panel, {})
        for k, name in enumerate(names):
            curve = times[panel].get(name, {})
            sizes = sorted(size for size in curve if not relative or size in bound)
            if not sizes:
                continue
            scale = [1 / bound[size] if relative else 1e3 for size in sizes]
            median, low, high = ([curve[size][i] * s for size, s in zip(sizes, scale)] for i in range(3))
            colour = colours[k % len(colours)]
            axis.plot(sizes, median, "--" if name in theirs else "-", marker=".", color=colour, label=name)
            axis.fill_between(sizes, low, high, color=colour, alpha=0.12, linewidth=0)
        if bound:
            sizes = sorted(bound)
            axis.plot(sizes, [1 if relative else 1e3 * bound[size] for size in sizes], color="black", linewidth=1.6,
                      label="lower bound 2 (p - 1) / p · N / B")
        axis.set_xscale("log")
        axis.set_yscale("log")
        ticks = sorted({size for curve in times[panel].values() for size in curve})
        axis.set_xticks(ticks, [size_label(size) for size in ticks], rotation=60, ha="right", fontsize=8)
        axis.minorticks_off()
        axis.grid(True, alpha=0.3)
        axis.set_title(f"{panel[0]} ranks, {panel[1]} node{'s' if panel[1] > 1 else ''}")
        axis.set_xlabel("bytes summed")
    axes[0][0].set_ylabel("time / lower bound" if relative else "milliseconds (median; band: 10 % to 90 %)")
    handles = {}
    for axis in axes[0]:
        handles.update({label: handle for handle, label in zip(*axis.get_legend_handles_labels())})
    figure.legend(handles.values(), handles.keys(), loc="center right", fontsize=8)
    figure.suptitle(title)
    figure.tight_layout(rect=(0, 0, 1 - 2.6 / figure.get_figwidth(), 1))
    figure.savefig(path, format="svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--relative", action="store_true")
    parser.add_argument("--title", default="Sum of float buffers over all ranks")
    given = parser.parse_args()
    times, bounds = read(given.results)
    if given.relative and not bounds:
        parser.error("--relative needs results of a run with --bandwidth")
    draw(times, bounds, given.relative, given.title, given.output)


if __name__ == "__main__":
    main()
