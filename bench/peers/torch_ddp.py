"""PyTorch's LeNet training step on several processes: DistributedDataParallel over gloo. Rank 0 prints one JSON line.

--ranks processes are forked here, each with one thread and, with --pin, on its own core.
"""
import os
import socket

import torch
from torch.nn.parallel import DistributedDataParallel

import torch_lenet


def rank_main(rank, o, port):
    if o.pin:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=o.ranks)
    layout = torch_lenet.memory_format(o.format)
    net = DistributedDataParallel(torch_lenet.lenet().to(memory_format=layout),
                                  gradient_as_bucket_view=True, static_graph=True)
    samples = torch_lenet.train(net, o.batch // o.ranks, o.seconds, layout, before=torch.distributed.barrier)
    if rank == 0:
        torch_lenet.report("pytorch ddp gloo", samples, o.batch, format=o.format, threads=o.threads, ranks=o.ranks,
                           pinned=o.pin)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    parser = torch_lenet.options()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--pin", action="store_true")
    o = parser.parse_args()
    if o.batch % o.ranks:
        parser.error("--ranks must divide --batch")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    torch.multiprocessing.start_processes(rank_main, args=(o, port), nprocs=o.ranks, start_method="spawn")
