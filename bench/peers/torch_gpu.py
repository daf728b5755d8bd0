"""PyTorch's training step on a GPU: forward, cross entropy, backward, SGD (momentum 0.9, decay 5e-4). The images are on the
device already. Prints one JSON line for every way that was asked for, and a table on standard error.

Ways: eager (channels_last, cudnn.benchmark, fused SGD), graph (the same step as a CUDA graph that is replayed), and
compile (torch.compile, mode max-autotune, which makes a graph of its own). The best of them is the peer. Precisions: fp32,
tf32 (tensor cores for convolutions and matrix products), bf16 (autocast; weights in fp32).
"""
import argparse
import json
import statistics
import sys

import torch

from torch_nets import networks

MOMENTUM, DECAY, WARM_UP = 0.9, 5e-4, 5
PRECISIONS, WAYS = ("fp32", "tf32", "bf16"), ("eager", "graph", "compile")


def step_of(net, shape, batch, precision, way):
    """A function that makes one training step, warmed up."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    net = net.cuda().to(memory_format=torch.channels_last).train()
    x = torch.rand(batch, *shape, device="cuda").sub_(0.5).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (batch,), device="cuda")
    solver = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=MOMENTUM, weight_decay=DECAY, fused=True)

    def passes():
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16", cache_enabled=way != "graph"):
            net.losses(net(x), y)[1].backward()

    forward_backward = torch.compile(passes, mode="max-autotune") if way == "compile" else passes

    def step():
        solver.zero_grad(set_to_none=True)
        forward_backward()
        solver.step()

    if way != "graph":
        for _ in range(WARM_UP):
            step()
        return step
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    solver.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        forward_backward()
        solver.step()
    return graph.replay


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=networks, default=["lenet"])
    parser.add_argument("--batches", nargs="+", type=int, default=[128])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["fp32", "tf32", "bf16"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["eager", "graph"])
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    for name in o.nets:
        for batch in o.batches:
            for precision in o.precisions:
                for way in o.ways:
                    torch.manual_seed(1)
                    net = networks[name]()  # on the host still: the one before is gone
                    torch.cuda.reset_peak_memory_stats()
                    setting = {"program": "pytorch", "version": torch.__version__, "device": torch.cuda.get_device_name(),
                               "net": name, "batch": batch, "precision": precision, "way": way}
                    try:
                        samples = sorted(seconds_per_step(step_of(net, net.shape, batch, precision, way), o.seconds, o.rounds))
                    except RuntimeError as e:  # a way that PyTorch does not offer here, or memory: said, not hidden
                        print(json.dumps({**setting, "error": str(e).splitlines()[0]}), flush=True)
                        continue
                    rates = [batch / s for s in reversed(samples)]
                    print(json.dumps({**setting, "images_per_second": round(statistics.median(rates), 1),
                                      "images_per_second_min": round(rates[0], 1),
                                      "images_per_second_max": round(rates[-1], 1),
                                      "seconds_per_step": statistics.median(samples),
                                      "peak_device_bytes": torch.cuda.max_memory_allocated()}), flush=True)
                    print(f"{name:16} batch {batch:4} {precision} {way:8} {statistics.median(rates):10.1f} images/s "
                          f"[{rates[0]:.1f} .. {rates[-1]:.1f}]", file=sys.stderr)
