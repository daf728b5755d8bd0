"""PyTorch's training step on a GPU: forward, cross entropy, backward, SGD (momentum 0.9, decay 5e-4). Prints one JSON line for
every way that was asked for, and a table on standard error.

Ways, all with cudnn.benchmark and the fused SGD: eager; graph, the same step as a CUDA graph that is replayed; compile, such a
graph of what torch.compile makes of the network and its losses (one kernel of what eager does in several, such as local
response normalisation); compile_max, the same in mode max-autotune-no-cudagraphs, which compiles for many minutes. Values are
channels_last, and (N, C, H, W) where _nchw follows the name. The best of them is the peer. Precisions: fp32, tf32 (tensor
cores for convolutions and matrix products), bf16 (autocast; weights in fp32).

Every step has its images from page-locked memory, as those of throughput_cuda: a stream of its own copies them while the
step before is worked on (a graph's into the place that it reads). --resident: they are on the device already.
"""
import argparse
import gc
import json
import statistics
import sys
import time

import torch

from torch_nets import networks

MOMENTUM, DECAY, WARM_UP = 0.9, 5e-4, 5
PRECISIONS = ("fp32", "tf32", "bf16")
MODES = {"compile": "default", "compile_max": "max-autotune-no-cudagraphs"}
WAYS = tuple(way + layout for way in ("eager", "graph", *MODES) for layout in ("", "_nchw"))


class Batches:
    """Images and labels on the device, one batch ahead of the step: the one that is there while the other is copied."""

    def __init__(self, *host):
        self.host = [t.pin_memory() for t in host]  # in the layout of the network: a plain copy
        self.there = [[t.cuda() for t in host] for _ in range(2)]
        self.beside = torch.cuda.Stream()
        self.arrived, self.used = ([torch.cuda.Event() for _ in range(2)] for _ in range(2))
        self.turn = 0
        self.beside.wait_stream(torch.cuda.current_stream())
        self.send()

    def send(self):
        with torch.cuda.stream(self.beside):
            self.beside.wait_event(self.used[self.turn])
            for to, t in zip(self.there[self.turn], self.host):
                to.copy_(t, non_blocking=True)
            self.arrived[self.turn].record()

    def next(self):
        """For what the current stream is asked for until done()."""
        turn = self.turn
        self.turn = 1 - turn
        self.send()
        torch.cuda.current_stream().wait_event(self.arrived[turn])
        return self.there[turn]

    def done(self):
        self.used[1 - self.turn].record()


class Resident:
    def __init__(self, *host):
        self.there = [[t.cuda() for t in host]]

    def next(self):
        return self.there[0]

    def done(self):
        pass


def step_of(net, batch, precision, way, resident):
    """A function that makes one training step, warmed up."""
    way, nchw = way.removesuffix("_nchw"), way.endswith("_nchw")
    layout = torch.contiguous_format if nchw else torch.channels_last
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    x = torch.rand(batch, *net.shape).sub_(0.5).contiguous(memory_format=layout)
    batches = (Resident if resident else Batches)(x, torch.randint(0, 10, (batch,)))
    net = net.cuda().to(memory_format=layout).train()
    solver = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=MOMENTUM, weight_decay=DECAY, fused=True)

    def loss(x, y):
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16", cache_enabled=way == "eager"):
            return net.losses(net(x), y)[1]

    if way in MODES:
        loss = torch.compile(loss, mode=MODES[way])

    def train(x, y):
        solver.zero_grad(set_to_none=True)
        loss(x, y).backward()
        solver.step()

    def step():
        train(*batches.next())
        batches.done()

    if way == "eager":
        for _ in range(WARM_UP):
            step()
        return step
    read = batches.there[0] if resident else [t.clone() for t in batches.there[0]]
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UP):
            train(*read)
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    solver.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        train(*read)
    if resident:
        return graph.replay

    def replayed():
        for to, t in zip(read, batches.next()):
            to.copy_(t)
        batches.done()
        graph.replay()

    return replayed


def seconds_per_step(step, seconds, rounds):
    """Of each round, by the device's clock."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)

    def timed(n):
        start.record()
        for _ in range(n):
            step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / n

    timed(2)
    n = max(1, int(seconds / rounds / timed(3)))
    return [timed(n) for _ in range(rounds)]


def measure(o, name, batch, precision, way):
    torch.manual_seed(1)
    gc.collect()  # the networks before are gone, and torch.compile has forgotten them: it stops after eight
    torch.compiler.reset()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    setting = {"program": "pytorch", "version": torch.__version__, "device": torch.cuda.get_device_name(), "net": name,
               "batch": batch, "precision": precision, "way": way, "input": "device" if o.resident else "host"}
    begin = time.monotonic()
    try:
        step = step_of(networks[name](), batch, precision, way, o.resident)
        torch.cuda.synchronize()
        warm = time.monotonic() - begin
        samples = sorted(seconds_per_step(step, o.seconds, o.rounds))
    except Exception as e:  # a way that PyTorch does not offer here, or memory: said, not hidden
        print(json.dumps({**setting, "error": (str(e).strip().splitlines() or [repr(e)])[0]}), flush=True)
        return
    rates = [batch / s for s in reversed(samples)]
    print(json.dumps({**setting, "images_per_second": round(statistics.median(rates), 1),
                      "images_per_second_min": round(rates[0], 1), "images_per_second_max": round(rates[-1], 1),
                      "seconds_per_step": statistics.median(samples), "warm_up_seconds": round(warm, 1),
                      "peak_device_bytes": torch.cuda.max_memory_allocated()}), flush=True)
    print(f"{name:16} batch {batch:4} {precision} {way:16} {statistics.median(rates):10.1f} images/s "
          f"[{rates[0]:.1f} .. {rates[-1]:.1f}]", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=networks, default=["lenet"])
    parser.add_argument("--batches", nargs="+", type=int, default=[128])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["fp32", "tf32", "bf16"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["eager", "graph"])
    parser.add_argument("--resident", action="store_true", help="the images are on the device, none are copied")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    for name in o.nets:
        for batch in o.batches:
            for precision in o.precisions:
                for way in o.ways:
                    measure(o, name, batch, precision, way)
