"""Writes tests/zoo/reference/NET.txt: what PyTorch makes of one training step of the networks named (with no name: of those
that have such a file), for our tests to compare with.

Weights, images, labels and dropout masks are ours: the counter-based numbers of include/firecaffe/core/random.hpp, made
here once more, so that nothing but results need be stored. PyTorch computes in double precision. --compare writes
nothing and prints how far PyTorch in single precision is from what is written.
"""
import argparse
import os
import sys

import numpy
import torch
from torch import nn

from torch_nets import Regression, networks, volumes

networks = networks | volumes
BATCH, SAMPLES = 2, 16
FILLER, DROPOUT, TEST = 0, 2, 4  # random_use


def random_words(use, part, sample, first, count):
    """Blocks `first` to `first + count` of a stream: an array (count, 4) of 32-bit words in 64 bits."""
    low, shift = numpy.uint64(0xFFFFFFFF), numpy.uint64(32)
    c0 = numpy.arange(first, first + count, dtype=numpy.uint64)
    c1, c2, c3 = (numpy.full(count, v, numpy.uint64) for v in (sample, 0, use << 24 | part))
    key0, key1 = SEED & 0xFFFFFFFF, SEED >> 32
    for _ in range(10):
        a, b = c0 * numpy.uint64(0xD2511F53), c2 * numpy.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (b >> shift) ^ c1 ^ numpy.uint64(key0), b & low, (a >> shift) ^ c3 ^ numpy.uint64(key1), a & low
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return numpy.stack([c0, c1, c2, c3], 1)


def random_word(use, part, sample, count):
    return random_words(use, part, sample, 0, (count + 3) // 4).reshape(-1)[:count]


def to_unit(words):
    return (words + 0.5) / 4294967296.0


def fill(tensor, filler, part):
    """As fill_parameter does; rounded to single precision, as our devices store it."""
    kind, count, fan_in = filler[0], tensor.numel(), tensor[0].numel()
    out = numpy.empty(count, numpy.float32)
    for first in range(0, count, 1 << 22):
        size = min(1 << 22, count - first)
        if kind == "constant":
            values = filler[1]
        elif kind == "xavier":
            bound = numpy.sqrt(3 / fan_in)
            values = -bound + 2 * bound * to_unit(random_words(FILLER, part, 0, first // 4, (size + 3) // 4).reshape(-1)[:size])
        else:
            deviation = filler[1] if kind == "gaussian" else numpy.sqrt(2 / fan_in)
            u = to_unit(random_words(FILLER, part, 0, first, size)[:, :2])
            values = deviation * (numpy.sqrt(-2 * numpy.log(u[:, 0])) * numpy.cos(6.283185307179586 * u[:, 1]))
        out[first:first + size] = values
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(out).view_as(tensor))


class Dropout(nn.Module):
    """Ours: the mask is a function of the seed, the step, the sample and the layer's place in the network."""

    def __init__(self, ratio, leaf):
        super().__init__()
        self.ratio, self.leaf = ratio, leaf

    def forward(self, x):
        each = x[0].numel()
        words = numpy.stack([random_word(DROPOUT, self.leaf, n, each) for n in range(len(x))])
        mask = (words >= int(self.ratio * 4294967296.0)) / (1 - self.ratio)
        return x * torch.from_numpy(mask).view_as(x).to(x.dtype)


def leaves(net):
    """Its layers as we count them: (index, parent, name in the parent, module)."""
    index = 0
    for parent in net.modules():
        if not list(parent.children()) and not isinstance(parent, nn.Flatten):
            yield index, parent
            index += 1


def ours(net):
    """Fills a network as ours; its parameters in our order, (place, parameter), running statistics among them."""
    place, parameters, dropouts = 0, [], {}
    for index, leaf in leaves(net):
        if isinstance(leaf, nn.Dropout):
            dropouts[leaf] = Dropout(leaf.p, index)
        # Places count from the end of the list that the backward pass goes through: a bias comes before its weight.
        for name in ("running_var", "running_mean", "bias", "weight"):
            parameter = getattr(leaf, name, None)
            if parameter is not None:
                if name.startswith("running"):
                    leaf.momentum = 1.0  # afterwards they are the step's own
                else:
                    fill(parameter, getattr(leaf, name + "_filler"), place)
                parameters.append((place, parameter))
                place += 1
    for module in list(net.modules()):
        for name, child in module.named_children():
            if child in dropouts:
                setattr(module, name, dropouts[child])
    return parameters


def step(name, dtype):
    """Losses, and per parameter its place, the number of elements, the gradient's norm and some of its elements."""
    net = networks[name]().to(dtype).train()
    parameters = ours(net)
    amplitude = 1 if name in ("lenet", "cosmoflow32") else 100
    each = numpy.prod(net.shape)
    images = numpy.stack([2 * to_unit(random_word(TEST, 0, n, each)) - 1 for n in range(BATCH)])
    x = torch.from_numpy((amplitude * images).astype(numpy.float32)).view(BATCH, *net.shape).to(dtype)
    if isinstance(net, Regression):
        y = torch.tensor(numpy.stack([2 * to_unit(random_word(TEST, 1, n, net.classes)) - 1 for n in range(BATCH)]))
    else:
        y = torch.tensor([int(random_word(TEST, 1, n, 1)[0]) % net.classes for n in range(BATCH)])
    each, total = net.losses(net(x), y)
    total.backward()
    rows = []
    for place, parameter in parameters:
        gradient = (parameter if parameter.grad is None else parameter.grad).detach().double().reshape(-1)
        at = [(2 * i + 1) * gradient.numel() // (2 * SAMPLES) for i in range(SAMPLES)]
        rows.append((place, gradient.numel(), gradient.norm().item(), gradient[at].numpy()))
    return amplitude, [l.item() for l in each], rows


def write(name, path):
    amplitude, losses, rows = step(name, torch.float64)
    with open(path, "w") as file:
        print(f"# {name}, PyTorch in double precision: see bench/peers/torch_reference.py\n"
              f"seed {SEED} batch {BATCH} amplitude {amplitude}\n"
              f"losses {len(losses)}", *(f"{l:.10g}" for l in losses), file=file)
        print("# place, elements, norm of the gradient, elements of it", file=file)
        for place, elements, norm, some in rows:
            print(place, elements, f"{norm:.8g}", *(f"{s:.8g}" for s in some), file=file)


def compare(name):
    """The largest deviations of single precision, as tests/zoo/reference.hpp counts them."""
    (_, losses, exact), (_, single_losses, single) = step(name, torch.float64), step(name, torch.float32)
    loss = max(abs(a - b) / abs(a) for a, b in zip(losses, single_losses))
    norm = max((abs(a[2] - b[2]) / a[2], a[0]) for a, b in zip(exact, single))
    some = max((numpy.abs(a[3] - b[3]).max() / (a[2] / numpy.sqrt(a[1])), a[0]) for a, b in zip(exact, single))
    print(f"{name}: losses {losses}, off by {loss:.1e}; norms off by {norm[0]:.1e} (parameter {norm[1]}), "
          f"elements by {some[0]:.1e} of the root mean square (parameter {some[1]})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=", ".join(networks))
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of weights, images, labels and masks (1)")
    o = parser.parse_args()
    SEED = o.seed
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/zoo/reference")
    for name in o.nets or [n for n in networks if os.path.exists(os.path.join(folder, n + ".txt"))]:
        if name not in networks:
            parser.error(f"no network {name}: there are {', '.join(networks)}")
        if o.compare:
            compare(name)
        else:
            write(name, os.path.join(folder, name + ".txt"))
