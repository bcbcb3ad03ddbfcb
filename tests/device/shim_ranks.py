# SPDX-License-Identifier: Apache-2.0
"""The shim under unchanged programs: torch.distributed with backend nccl, CuPy; ranks that may share a GPU, before an NCCL that moves no data.

    python3 shim_ranks.py --ranks 2 --shim DIR --nccl libnccl_without_data.so [--audit]        77: cannot run here, with the reason

With real GPUs for all ranks, --nccl '' takes the real NCCL, and what is not served is its work.
"""
import argparse
import ast
import ctypes
import os
import random
import sys
import tempfile
import time

from on_gpus import SKIP, cannot_run, start



def right(torch, x, want, what):
    if not (x.float() - want).abs().max().item() <= 0.01 * abs(want):
        raise AssertionError(f"{what}: {x.flatten()[:4].tolist()} where {want} is right")


def random_calls(torch, dist, rank, ranks, groups, steps):
    """Calls that all ranks draw alike: kinds, lengths, groups, eager, together in one group of NCCL, or captured. Small whole numbers: sums are exact."""
    draw = random.Random(17)
    device = torch.device("cuda", torch.cuda.current_device())
    graphs = []
    for step in range(steps):
        group = draw.choice(groups)
        count = draw.choice((1, 3, 64, 1000, 4096, 4097, 8191, 16000))
        dtype = draw.choice((torch.bfloat16, torch.float32))
        kind = draw.choice(("all_reduce", "broadcast", "all_gather", "reduce_scatter", "together", "captured"))
        values = [(step + r) % 5 + 1 for r in range(ranks)]
        x = torch.full((count,), float(values[rank]), device=device, dtype=dtype)
        if kind == "all_reduce":
            dist.all_reduce(x, group=group)
            right(torch, x, sum(values), f"step {step}: {kind} of {count}")
        elif kind == "broadcast":
            dist.broadcast(x, 0, group=group)
            right(torch, x, values[0], f"step {step}: {kind} of {count}")
        elif kind == "all_gather":
            y = torch.zeros(ranks, count, device=device, dtype=dtype)
            dist.all_gather_into_tensor(y, x, group=group)
            for r in range(ranks):
                right(torch, y[r], values[r], f"step {step}: {kind} of {count}")
        elif kind == "reduce_scatter":
            y = torch.zeros(count, device=device)
            dist.reduce_scatter_tensor(y, torch.full((count * ranks,), float(values[rank]), device=device), group=group)
            right(torch, y, sum(values), f"step {step}: {kind} of {count}")
        elif kind == "together":
            many = [x, torch.full_like(x, float(values[rank]) + 1), torch.full((77,), float(values[rank]), device=device, dtype=dtype)]
            with dist._coalescing_manager(group=group, device=device):
                for one in many:
                    dist.all_reduce(one, group=group)
            for one, more in zip(many, (0, ranks, 0)):
                right(torch, one, sum(values) + more, f"step {step}: {kind} of {count}")
        elif len(graphs) < 12:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                dist.all_reduce(x, group=group)
            graphs.append((graph, x))
        else:
            graph, x = draw.choice(graphs)
            x.fill_(float(values[rank]))
            graph.replay()
            right(torch, x, sum(values), f"step {step}: replay")
    torch.cuda.synchronize()


def work(rank, ranks):
    import torch
    import torch.distributed as dist

    device = torch.device("cuda", rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    store = dist.TCPStore("127.0.0.1", int(os.environ["MASTER_PORT"]), ranks, rank == 0)
    dist.init_process_group("nccl", store=store, rank=rank, world_size=ranks, device_id=device)
    total = ranks * (ranks + 1) / 2
    for count in (1, 5, 4096, 8192, 100000, 300001):
        for dtype in (torch.bfloat16, torch.float32):
            x = torch.full((count,), float(rank + 1), device=device, dtype=dtype)
            dist.all_reduce(x)
            right(torch, x, total, f"all_reduce of {count} {dtype}")
    x = torch.full((1024,), float(rank + 1), device=device)
    dist.broadcast(x, 0)
    right(torch, x, 1, "broadcast")
    gathered = torch.empty(ranks, 1024, device=device)
    dist.all_gather_into_tensor(gathered, torch.full((1024,), float(rank + 1), device=device))
    for r in range(ranks):
        right(torch, gathered[r], r + 1, "all_gather")
    part = torch.empty(512, device=device)
    dist.reduce_scatter_tensor(part, torch.full((512 * ranks,), float(rank + 1), device=device))
    right(torch, part, total, "reduce_scatter")
    dist.barrier()
    side = torch.cuda.Stream()
    x = torch.full((4096,), 1.0, device=device, dtype=torch.bfloat16)
    with torch.cuda.stream(side):
        for _ in range(3):
            dist.all_reduce(x)
            x.fill_(1.0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        dist.all_reduce(x)
    for round in range(1, 11):
        x.fill_(float(round))
        graph.replay()
        torch.cuda.synchronize()
        right(torch, x, round * ranks, "replay")
    groups = [dist.group.WORLD, dist.new_group(list(range(ranks)))]
    random_calls(torch, dist, rank, ranks, groups, int(os.environ["P2PLAB_TEST_STEPS"]))
    print(f"rank {rank}: all right; {counts()}", flush=True)
    dist.barrier()
    torch.cuda.synchronize()
    os._exit(0)  # graphs hold the communicator, and destroying that waits for them


def work_of_cupy(rank, ranks):
    import cupy
    from cupy.cuda import nccl

    cupy.cuda.Device(rank % cupy.cuda.runtime.getDeviceCount()).use()
    path = os.environ["P2PLAB_TEST_ID"]
    if rank == 0:
        with open(path + ".new", "w") as file:
            file.write(repr(nccl.get_unique_id()))
        os.rename(path + ".new", path)
    while not os.path.exists(path):
        time.sleep(0.01)
    with open(path) as file:
        unique_id = ast.literal_eval(file.read())
    x = cupy.full(4096, rank + 1, dtype=cupy.float32)  # before the communicator, so that CUDA is set up
    y = cupy.zeros_like(x)
    communicator = nccl.NcclCommunicator(ranks, unique_id, rank)
    for _ in range(10):
        communicator.allReduce(x.data.ptr, y.data.ptr, x.size, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, cupy.cuda.Stream.null.ptr)
    cupy.cuda.Stream.null.synchronize()
    assert (y == ranks * (ranks + 1) / 2).all(), y[:4]
    print(f"rank {rank}: CuPy's all_reduce is right; {counts()}", flush=True)


def counts():
    shim = ctypes.CDLL(os.environ["P2PLAB_TEST_SHIM"])
    shim.p2plab_nccl_counts.restype = shim.p2plab_nccl_real.restype = ctypes.c_char_p
    return f"{shim.p2plab_nccl_counts().decode()}; before {shim.p2plab_nccl_real().decode()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--shim", required=True)
    parser.add_argument("--nccl", default="")
    parser.add_argument("--steps", type=int, default=1000, help="random calls")
    parser.add_argument("--audit", action="store_true")
    parser.add_argument("--consumer", choices=["torch", "cupy"], default="torch")
    args = parser.parse_args()
    if "RANK" in os.environ:
        return {"torch": work, "cupy": work_of_cupy}[args.consumer](int(os.environ["RANK"]), args.ranks)
    if cannot_run():
        return SKIP
    shim = os.path.join(args.shim, "libp2plab-nccl.so")
    settings = {"P2PLAB_TEST_SHIM": shim, "P2PLAB_TEST_STEPS": str(args.steps), "P2PLAB_WAIT": "60",
                "P2PLAB_TEST_ID": os.path.join(tempfile.mkdtemp(), "id"), "MASTER_PORT": str(20000 + os.getpid() % 20000),
                "NCCL_NVLS_ENABLE": "0",
                # With an NCCL that moves no data every size must be ready when it is asked for: longer ones serve it.
                "P2PLAB_PREPARE": ",".join(["all_reduce:bfloat16:sum:1KiB-2MiB", "all_reduce:float32:sum:16B-2MiB", "broadcast:256B-64KiB",
                                            "all_gather:256B-64KiB", "reduce_scatter:float32:sum:256B-64KiB", "all_reduce:uint8:sum:16B-64B"])}
    settings["LD_AUDIT" if args.audit else "LD_PRELOAD"] = os.path.join(args.shim, "libp2plab-audit.so") if args.audit else shim
    if args.nccl:
        settings["P2PLAB_NCCL"] = os.path.abspath(args.nccl)
    started = [start(r, **settings) for r in range(args.ranks)]
    return max(process.wait() for process in started)


if __name__ == "__main__":
    sys.exit(main())
