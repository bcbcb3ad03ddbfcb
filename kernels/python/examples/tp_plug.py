# SPDX-License-Identifier: Apache-2.0
"""For a decoder that takes its all-reduce from outside: make(rank, world, device, hidden, batch, dtype) returns all_reduce(tensor) -> tensor.

The program is made for just this size, so a captured step holds nothing but its kernels. Needs torch.distributed to be initialised, with any backend.
"""
import p2plab

_groups = []  # a captured graph needs its group for as long as it is replayed


def make(rank, world, device, hidden, batch, dtype):
    name = str(dtype).removeprefix("torch.")
    group = p2plab.Group.from_torch(device=device, prepare="", load_nccl=False)
    group.prepare("all_reduce", hidden * batch, name)
    _groups.append(group)
    if rank == 0:
        print(group.explain("all_reduce", hidden * batch, name), flush=True)
    return lambda tensor: p2plab.all_reduce(tensor, group)
