# SPDX-License-Identifier: Apache-2.0
"""For a decoder that takes its all-reduce from outside: make(rank, world, device, hidden, batch, dtype) returns all_reduce(tensor) -> tensor, and
make_fused(..., dtype, weight, epsilon) returns add_norm(part, x) -> (x + the sum of the ranks' parts, its rows normed by their root mean square).

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


def make_fused(rank, world, device, hidden, batch, dtype, weight, epsilon):
    name = str(dtype).removeprefix("torch.")
    group = p2plab.Group.from_torch(device=device, prepare="", load_nccl=False)
    some = weight.data_ptr()  # only which tensors there are matters here
    group.prepare_fused(hidden * batch, name, hidden=hidden, epsilon=epsilon, residual=some, weight=some, sum=some, normed=some)
    _groups.append(group)

    def add_norm(part, x):
        normed, total = p2plab.fused_add_rms_norm(part, x, weight, group, epsilon)
        return total, normed

    return add_norm
