# SPDX-License-Identifier: Apache-2.0
"""An all-reduce by libp2plab in a PyTorch job, eager, compiled and in a CUDA graph:

    for r in 0 1; do RANK=$r LOCAL_RANK=$r WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 python3 all_reduce.py & done; wait
"""
import os

import p2plab
import torch
import torch.distributed as dist

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
torch.cuda.set_device(device)
dist.init_process_group("gloo")
group = p2plab.Group.from_torch(prepare="all_reduce:bfloat16:sum:1KiB-64KiB")

x = torch.full((4096,), float(rank + 1), device=device, dtype=torch.bfloat16)
wanted = world * (world + 1) / 2
assert (p2plab.all_reduce(x, group) == wanted).all()
assert (torch.compile(lambda t: p2plab.all_reduce(t * 2, group), fullgraph=True)(x) == 2 * wanted).all()

graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    y = p2plab.all_reduce(x, group)
graph.replay()
assert (y == wanted).all()
if rank == 0:
    print(group.explain("all_reduce", x.numel(), "bfloat16"))
group.close()
