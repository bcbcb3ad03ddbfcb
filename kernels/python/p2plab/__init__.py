# SPDX-License-Identifier: Apache-2.0
"""Collectives of libp2plab in PyTorch: `Group` for a program of one's own, `all_reduce(tensor, group)` and the others as custom operators.

    import p2plab
    group = p2plab.Group.from_torch(torch.distributed.group.WORLD)   # or p2plab.Group(rank, ranks, unique_id, device)
    y = p2plab.all_reduce(x, group)                                  # a new tensor; all_reduce_(x, group) works in place

The operators have fake kernels, so torch.compile traces them, and they may be captured in CUDA graphs if their sizes were prepared.
"""

from ._library import Error, address_unique_id, find_library, unique_id, version
from ._group import Group
from ._recording import Monitor, RecordedCall, monitor, recorded

try:
    from ._ops import all_gather, all_reduce, all_reduce_, all_to_all, broadcast_, fused_add_rms_norm, fused_add_rms_norm_float8, gather, reduce_scatter
except ModuleNotFoundError as missing:  # without PyTorch the groups still work, on addresses
    if missing.name != "torch":
        raise

    def __getattr__(name):
        if name in __all__:
            raise AttributeError(f"p2plab.{name} is an operator of PyTorch, which this Python does not have; p2plab.Group.run works on addresses")
        raise AttributeError(f"module 'p2plab' has no attribute '{name}'")

__all__ = ["Error", "Group", "Monitor", "RecordedCall", "address_unique_id", "all_gather", "all_reduce", "all_reduce_", "all_to_all", "broadcast_", "find_library",
           "fused_add_rms_norm", "fused_add_rms_norm_float8", "gather", "monitor", "recorded", "reduce_scatter", "unique_id", "version"]
