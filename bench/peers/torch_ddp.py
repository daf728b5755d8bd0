"""PyTorch's training step on several processes: DistributedDataParallel over gloo. Rank 0 prints one JSON line.

--ranks processes are forked here, each with --threads threads and, with --pin, on its own core.
"""
import os
import socket

import torch
from torch.nn.parallel import DistributedDataParallel

from torch_nets import networks
from torch_throughput import LAYOUTS, check_blas, images, options, report, train


def rank_main(rank, o, port):
    if o.pin:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=o.ranks)
    layout = LAYOUTS[o.format]
    net = networks[o.net](norm=not o.no_lrn).to(memory_format=layout)
    data = images(net, o.batch // o.ranks, layout)
    parallel = DistributedDataParallel(net, gradient_as_bucket_view=True, static_graph=True)
    samples = train(parallel, net.losses, data, o.seconds, before=torch.distributed.barrier)
    if rank == 0:
        report("pytorch ddp gloo", o.net, samples, o.batch, format=o.format, lrn=not o.no_lrn, threads=o.threads,
               ranks=o.ranks, pinned=o.pin)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    parser = options(["nchw", "nhwc"], __doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--pin", action="store_true")
    o = parser.parse_args()
    if o.batch % o.ranks:
        parser.error("--ranks must divide --batch")
    check_blas()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    torch.multiprocessing.start_processes(rank_main, args=(o, port), nprocs=o.ranks, start_method="spawn")
