"""PyTorch's LeNet training step: forward, cross entropy, backward, SGD. Prints one JSON line."""
import argparse
import gzip
import json
import os
import resource
import statistics
import time

import numpy
import torch
from torch import nn

MOMENTUM, DECAY, RATE = 0.9, 5e-4, 0.01


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2, 2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def images(batch, memory_format):
    """As many batches as fit in 4096 images: Fashion-MNIST where it is installed, else random ones."""
    count = max(4096 // batch, 1) * batch
    folder = os.environ.get("FIRECAFFE_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
    try:
        with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as file:
            pixels = numpy.frombuffer(file.read(16 + count * 784), numpy.uint8, offset=16)
        with gzip.open(os.path.join(folder, "train-labels-idx1-ubyte.gz")) as file:
            labels = numpy.frombuffer(file.read(8 + count), numpy.uint8, offset=8)
        x = torch.from_numpy(pixels.reshape(count, 1, 28, 28).astype(numpy.float32) / 256)
        y = torch.from_numpy(labels.astype(numpy.int64))
    except OSError:
        x, y = torch.rand(count, 1, 28, 28), torch.randint(0, 10, (count,))
    return [(a.contiguous(memory_format=memory_format), b) for a, b in zip(x.split(batch), y.split(batch))]


def train(net, batch, seconds, memory_format, before=lambda: None):
    """Seconds per step of at least ten groups of steps, over about `seconds`."""
    net = net.to(memory_format=memory_format)
    loss = nn.CrossEntropyLoss()
    solver = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, foreach=True)
    data = images(batch, memory_format)

    def steps(n, at=[0]):
        for _ in range(n):
            x, y = data[at[0] % len(data)]
            at[0] += 1
            solver.zero_grad(set_to_none=True)
            loss(net(x), y).backward()
            solver.step()

    steps(10)
    before()
    start = time.perf_counter()
    steps(10)
    one = (time.perf_counter() - start) / 10
    group = max(int(seconds / 12 / one), 1)
    if torch.distributed.is_initialized():  # every rank must do the same number of steps
        agreed = torch.tensor([group])
        torch.distributed.broadcast(agreed, 0)
        group = int(agreed)
    samples = []
    for _ in range(12):
        before()
        start = time.perf_counter()
        steps(group)
        samples.append((time.perf_counter() - start) / group)
    return samples


def report(program, samples, global_batch, **more):
    rates = sorted(global_batch / s for s in samples)
    print(json.dumps({
        "program": program, "net": "lenet", "device": "cpu", **more, "batch": global_batch,
        "images_per_second": round(statistics.median(rates), 1),
        "images_per_second_min": round(rates[0], 1), "images_per_second_max": round(rates[-1], 1),
        "seconds_per_step": statistics.median(samples),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64, help="images a step, of all processes together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--format", choices=["nchw", "nhwc"], default="nhwc")
    parser.add_argument("--seconds", type=float, default=4)
    return parser


def memory_format(name):
    return torch.channels_last if name == "nhwc" else torch.contiguous_format


if __name__ == "__main__":
    o = options().parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    report("pytorch", train(lenet(), o.batch, o.seconds, memory_format(o.format)), o.batch,
           format=o.format, threads=o.threads, ranks=1)
