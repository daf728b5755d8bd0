#!/usr/bin/env python3
"""Draws the speedup curves of `simulate --only scaling` as one SVG.

usage: plot.py [ROWS] [SVG]    ROWS: JSON lines (default: standard input), SVG: bench/simulate/scaling.svg
"""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

NAMES = {"titan": "Titan (Gemini torus)", "10gbe": "10 Gbit/s Ethernet"}
CURVES = {
    "server": ("parameter server", "#b03a2e", "v"),
    "tree": ("tree", "#b9770e", "s"),
    "ring": ("ring", "#2471a3", "o"),
    "overlap": ("overlapped with the backward pass", "#1e8449", "D"),
}


def read(source):
    rows = [json.loads(line) for line in source if line.startswith("{")]
    rows = [row for row in rows if row.get("table") == "scaling"]
    if not rows:
        sys.exit("plot.py: no rows of the table `scaling`: run simulate --only scaling")
    return rows


def draw(rows, target):
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "firecaffe", "font.size": 9})
    platforms = [name for name in NAMES if any(row["platform"] == name for row in rows)]
    figure, axes = plt.subplots(1, len(platforms), figsize=(4.2 * len(platforms), 3.4), sharey=True, squeeze=False)
    for axis, platform in zip(axes[0], platforms):
        for curve, (label, color, marker) in CURVES.items():
            points = sorted((row["ranks"], row["speedup"]) for row in rows
                            if row["platform"] == platform and row["curve"] == curve)
            axis.plot(*zip(*points), color=color, marker=marker, markersize=4, linewidth=1.4, label=label)
        paper = [(row["ranks"], row["speedup"]) for row in rows if row["platform"] == platform and row["curve"] == "paper"]
        ranks = sorted({row["ranks"] for row in rows if row["platform"] == platform})
        axis.plot(ranks, ranks, color="#999999", linewidth=0.8, linestyle="--", label="as many as there are GPUs")
        if paper:
            axis.plot(*zip(*paper), color="black", marker="*", markersize=9, linestyle="none",
                      label="the paper, measured on Titan")
        axis.set_xscale("log", base=2)
        axis.set_ylim(0, 100)
        axis.set_xticks(ranks, [str(rank) for rank in ranks])
        axis.set_title(NAMES[platform], fontsize=10)
        axis.set_xlabel("GPUs (K20, one a node)")
        axis.grid(color="#dddddd", linewidth=0.5)
    axes[0][0].set_ylabel("throughput over that of one GPU")
    axes[0][0].legend(fontsize=7.5, frameon=False)
    batch = rows[0]["batch"]
    figure.suptitle(f"GoogLeNet, batch {batch} on all GPUs together, simulated", fontsize=10)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    if "--help" in sys.argv[1:]:
        sys.exit(__doc__)
    source = open(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin
    target = sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).with_name("scaling.svg")
    draw(read(source), target)
