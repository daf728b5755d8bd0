"""PyTorch's training step: forward, cross entropy, backward, SGD. Prints one JSON line.

It is fastest with MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 and
GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the environment, for two threads with OMP_PROC_BIND=true OMP_PLACES=cores too, and
in the best of the formats: nchw and nhwc are layouts of plain tensors; mkldnn keeps oneDNN's own between layers as far as
the first dropout or inner product, where PyTorch can (not across concatenation and response normalisation).
"""
import argparse
import gzip
import json
import os
import re
import resource
import statistics
import time

import numpy
import torch
from torch import nn

from torch_nets import Concat, networks

MOMENTUM, DECAY = 0.9, 5e-4
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last, "mkldnn": torch.contiguous_format}


def fashion_mnist(count):
    folder = os.environ.get("FIRECAFFE_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as file:
        pixels = numpy.frombuffer(file.read(16 + count * 784), numpy.uint8, offset=16)
    with gzip.open(os.path.join(folder, "train-labels-idx1-ubyte.gz")) as file:
        labels = numpy.frombuffer(file.read(8 + count), numpy.uint8, offset=8)
    return torch.from_numpy(pixels.reshape(count, 1, 28, 28).astype(numpy.float32) / 256), labels


def images(net, batch, layout):
    """Batches in memory, 4096 small images or two batches of large ones: Fashion-MNIST for its shape where it is
    installed, else random ones."""
    count = max(4096 // batch, 1) * batch if net.shape == (1, 28, 28) else 2 * batch
    try:
        x, labels = fashion_mnist(count) if net.shape == (1, 28, 28) else (None, None)
        y = torch.from_numpy(labels.astype(numpy.int64)) if x is not None else None
    except OSError:
        x = None
    if x is None:
        x, y = torch.rand(count, *net.shape) - 0.5, torch.randint(0, net.classes, (count,))
    return [(a.contiguous(memory_format=layout), b) for a, b in zip(x.split(batch), y.split(batch))]


def blocked(net):
    """Makes a network take oneDNN's tensors."""
    if any(isinstance(m, (Concat, nn.LocalResponseNorm)) for m in net.modules()):
        raise SystemExit("torch_throughput.py: PyTorch has no mkldnn concatenation and no mkldnn response normalisation")
    for m in net.modules():
        if isinstance(m, (nn.Flatten, nn.Dropout)):
            m.register_forward_pre_hook(lambda _, x: x[0].to_dense() if x[0].is_mkldnn else x[0])


def check_blas():
    """Ends the program where PyTorch has netlib's reference BLAS, with which LeNet runs at 0.3 of its speed."""
    with open("/proc/self/maps") as file:
        if any("/libblas.so" in line and not re.search("openblas|atlas|blis", line) for line in file):
            raise SystemExit("PyTorch has the reference BLAS, no fair peer: install OpenBLAS (Debian: libopenblas0)")


def agreed(n):
    """Rank 0's n: every rank must do the same number of steps."""
    if torch.distributed.is_initialized():
        n = torch.tensor([n])
        torch.distributed.broadcast(n, 0)
    return int(n)


def train(net, losses, data, seconds, mkldnn=False, before=lambda: None):
    """Seconds per step of twelve groups of steps (of fewer, where steps are long), over about `seconds`."""
    solver = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=MOMENTUM, weight_decay=DECAY, foreach=True)
    done = 0

    def steps(n):
        nonlocal done
        before()
        start = time.perf_counter()
        for _ in range(n):
            x, y = data[done % len(data)]
            done += 1
            solver.zero_grad(set_to_none=True)
            losses(net(x.to_mkldnn() if mkldnn else x), y)[1].backward()
            solver.step()
        return (time.perf_counter() - start) / n

    steps(2)
    one = steps(1)
    one = steps(agreed(min(max(int(1 / one), 1), 20)))
    group = agreed(max(int(seconds / 12 / one), 1))
    groups = agreed(min(max(int(seconds / (group * one)), 3), 12))
    return [steps(group) for _ in range(groups)]


def report(program, net, samples, global_batch, **more):
    rates = sorted(global_batch / s for s in samples)
    print(json.dumps({
        "program": program, "net": net, "device": "cpu", **more, "batch": global_batch,
        "images_per_second": round(statistics.median(rates), 3),
        "images_per_second_min": round(rates[0], 3), "images_per_second_max": round(rates[-1], 3),
        "seconds_per_step": statistics.median(samples),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)


def options(formats, description=__doc__):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=networks, default="lenet")
    parser.add_argument("--batch", type=int, default=64, help="images a step, of all processes together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--format", choices=formats, default="nhwc")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--no-lrn", action="store_true", help="leave local response normalisation out")
    return parser


if __name__ == "__main__":
    o = options(LAYOUTS).parse_args()
    check_blas()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    layout = LAYOUTS[o.format]
    net = networks[o.net](norm=not o.no_lrn).to(memory_format=layout)
    if o.format == "mkldnn":
        blocked(net)
    samples = train(net, net.losses, images(net, o.batch, layout), o.seconds, o.format == "mkldnn")
    report("pytorch", o.net, samples, o.batch, format=o.format, lrn=not o.no_lrn, threads=o.threads, ranks=1)
