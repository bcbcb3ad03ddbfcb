# SPDX-License-Identifier: Apache-2.0
"""Custom operators of PyTorch. A group is named by its number, for operators take plain values; the functions below take the group."""

import torch

from ._group import Group, group_of

_names = {torch.int8: "int8", torch.uint8: "uint8", torch.int16: "int16", torch.int32: "int32", torch.int64: "int64", torch.float16: "float16",
          torch.bfloat16: "bfloat16", torch.float32: "float32", torch.float64: "float64", torch.bool: "uint8"}


def _run(number, kind, send, receive, count, op="sum", root=0):
    group = group_of(number)
    for tensor in (send, receive):
        if tensor is not None and (tensor.device.type != "cuda" or tensor.device.index != group.device or not tensor.is_contiguous()):
            raise ValueError(f"{kind}: a contiguous tensor on cuda:{group.device} is needed, not one on {tensor.device}")
    stream = torch.cuda.current_stream(group.device).cuda_stream
    group.run(kind, 0 if send is None else send.data_ptr(), 0 if receive is None else receive.data_ptr(), count, _names[send.dtype], stream, op, root)


@torch.library.custom_op("p2plab::all_reduce", mutates_args=())
def _all_reduce(x: torch.Tensor, group: int, op: str) -> torch.Tensor:
    x = x.contiguous()
    y = torch.empty_like(x)
    _run(group, "all_reduce", x, y, x.numel(), op)
    return y


@_all_reduce.register_fake
def _(x, group, op):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@torch.library.custom_op("p2plab::all_reduce_", mutates_args=("x",))
def _all_reduce_in_place(x: torch.Tensor, group: int, op: str) -> None:
    _run(group, "all_reduce", x, x, x.numel(), op)


@_all_reduce_in_place.register_fake
def _(x, group, op):
    return None


@torch.library.custom_op("p2plab::reduce_scatter", mutates_args=())
def _reduce_scatter(x: torch.Tensor, group: int, ranks: int, op: str) -> torch.Tensor:
    x = x.contiguous()
    y = x.new_empty([x.shape[0] // ranks, *x.shape[1:]])
    _run(group, "reduce_scatter", x, y, y.numel(), op)
    return y


@_reduce_scatter.register_fake
def _(x, group, ranks, op):
    return x.new_empty([x.shape[0] // ranks, *x.shape[1:]])


@torch.library.custom_op("p2plab::all_gather", mutates_args=())
def _all_gather(x: torch.Tensor, group: int, ranks: int) -> torch.Tensor:
    x = x.contiguous()
    y = x.new_empty([x.shape[0] * ranks, *x.shape[1:]])
    _run(group, "all_gather", x, y, x.numel())
    return y


@_all_gather.register_fake
def _(x, group, ranks):
    return x.new_empty([x.shape[0] * ranks, *x.shape[1:]])


@torch.library.custom_op("p2plab::all_to_all", mutates_args=())
def _all_to_all(x: torch.Tensor, group: int, ranks: int) -> torch.Tensor:
    x = x.contiguous()
    y = torch.empty_like(x)
    _run(group, "all_to_all", x, y, x.numel() // ranks)
    return y


@_all_to_all.register_fake
def _(x, group, ranks):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@torch.library.custom_op("p2plab::broadcast_", mutates_args=("x",))
def _broadcast(x: torch.Tensor, group: int, root: int) -> None:
    _run(group, "broadcast", x, x, x.numel(), root=root)


@_broadcast.register_fake
def _(x, group, root):
    return None


@torch.library.custom_op("p2plab::gather", mutates_args=())
def _gather(x: torch.Tensor, group: int, root: int, rank: int, ranks: int) -> torch.Tensor:
    x = x.contiguous()
    y = x.new_empty([x.shape[0] * ranks if rank == root else 0, *x.shape[1:]])
    _run(group, "gather", x, y if rank == root else None, x.numel(), root=root)
    return y


@_gather.register_fake
def _(x, group, root, rank, ranks):
    return x.new_empty([x.shape[0] * ranks if rank == root else 0, *x.shape[1:]])


def _fuse(number, x, residual, weight, epsilon, tensors, float8=None):
    group = group_of(number)
    for tensor in (x, residual, weight, *tensors.values()):
        if tensor.device.type != "cuda" or tensor.device.index != group.device or not tensor.is_contiguous():
            raise ValueError(f"fused_add_rms_norm: a contiguous tensor on cuda:{group.device} is needed, not one on {tensor.device}")
    if residual.shape != x.shape or residual.dtype != x.dtype or weight.dtype != x.dtype or weight.shape != x.shape[-1:]:
        raise ValueError(f"fused_add_rms_norm: {tuple(x.shape)} {x.dtype} with a residual {tuple(residual.shape)} {residual.dtype} and "
                         f"a weight {tuple(weight.shape)} {weight.dtype}")
    stream = torch.cuda.current_stream(group.device).cuda_stream
    addresses = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    group.run_fused(x.data_ptr(), x.numel(), _names[x.dtype], stream, hidden=x.shape[-1], epsilon=epsilon, float8=float8,
                    residual=residual.data_ptr(), weight=weight.data_ptr(), **addresses)


@torch.library.custom_op("p2plab::fused_add_rms_norm", mutates_args=())
def _fused_add_rms_norm(x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, epsilon: float,
                        group: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.contiguous()
    normed, total = torch.empty_like(x), torch.empty_like(x)
    _fuse(group, x, residual, weight, epsilon, {"normed": normed, "sum": total})
    return normed, total


@_fused_add_rms_norm.register_fake
def _(x, residual, weight, epsilon, group):
    like = torch.empty_like(x, memory_format=torch.contiguous_format)
    return like, torch.empty_like(like)


def _scales_of(x, by):
    rows = x.numel() // x.shape[-1]
    return x.new_empty([rows, 1] if by == "token" else [rows, x.shape[-1] // 128], dtype=torch.float32)


@torch.library.custom_op("p2plab::fused_add_rms_norm_float8", mutates_args=())
def _fused_add_rms_norm_float8(x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, epsilon: float, by: str,
                               group: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = x.contiguous()
    quantised, scales, total = torch.empty_like(x, dtype=torch.float8_e4m3fn), _scales_of(x, by), torch.empty_like(x)
    _fuse(group, x, residual, weight, epsilon, {"quantised": quantised, "scales": scales, "sum": total}, by)
    return quantised, scales, total


@_fused_add_rms_norm_float8.register_fake
def _(x, residual, weight, epsilon, by, group):
    like = torch.empty_like(x, memory_format=torch.contiguous_format)
    return torch.empty_like(like, dtype=torch.float8_e4m3fn), _scales_of(like, by), like


@torch.library.custom_op("p2plab::fused_add_rms_norm_scaled", mutates_args=())
def _fused_add_rms_norm_scaled(x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, epsilon: float, scale: torch.Tensor,
                               group: int) -> tuple[torch.Tensor, torch.Tensor]:
    if scale.dtype != torch.float32 or scale.numel() != 1:
        raise ValueError(f"fused_add_rms_norm: one float32 is needed as scale, not {tuple(scale.shape)} {scale.dtype}")
    x = x.contiguous()
    quantised, total = torch.empty_like(x, dtype=torch.float8_e4m3fn), torch.empty_like(x)
    _fuse(group, x, residual, weight, epsilon, {"quantised": quantised, "scales": scale, "sum": total}, "tensor")
    return quantised, total


@_fused_add_rms_norm_scaled.register_fake
def _(x, residual, weight, epsilon, scale, group):
    like = torch.empty_like(x, memory_format=torch.contiguous_format)
    return torch.empty_like(like, dtype=torch.float8_e4m3fn), like


def _whole(x, group):
    if x.dim() == 0 or x.shape[0] % group.ranks != 0:
        raise ValueError(f"the first dimension of {tuple(x.shape)} is no multiple of {group.ranks} ranks")


def all_reduce(x: torch.Tensor, group: Group, op: str = "sum") -> torch.Tensor:
    """The ranks' tensors, combined, in a new tensor."""
    return torch.ops.p2plab.all_reduce(x, group.number, op)


def all_reduce_(x: torch.Tensor, group: Group, op: str = "sum") -> torch.Tensor:
    """The same, in place."""
    torch.ops.p2plab.all_reduce_(x, group.number, op)
    return x


def fused_add_rms_norm(x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, group: Group,
                       epsilon: float = 1e-6) -> tuple[torch.Tensor, torch.Tensor]:
    """The ranks' x summed and `residual` added (the second result); its rows normed by their root mean square, times `weight` (the first)."""
    return torch.ops.p2plab.fused_add_rms_norm(x, residual, weight, epsilon, group.number)


def fused_add_rms_norm_float8(x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, group: Group, epsilon: float = 1e-6,
                              by: str = "token", scale: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same with the rows as float8 e4m3: these, their scales, and the sum. Scales are made for each row ("token") or each 128 neighbours in a
    row ("group"), unless one `scale` for all is given (one float32 on the GPU)."""
    if scale is not None:
        quantised, total = torch.ops.p2plab.fused_add_rms_norm_scaled(x, residual, weight, epsilon, scale, group.number)
        return quantised, scale, total
    if by not in ("token", "group"):
        raise ValueError(f"scales by 'token' or 'group', not by '{by}'")
    return torch.ops.p2plab.fused_add_rms_norm_float8(x, residual, weight, epsilon, by, group.number)


def reduce_scatter(x: torch.Tensor, group: Group, op: str = "sum") -> torch.Tensor:
    """This rank's part of the first dimension of the ranks' tensors, combined."""
    _whole(x, group)
    return torch.ops.p2plab.reduce_scatter(x, group.number, group.ranks, op)


def all_gather(x: torch.Tensor, group: Group) -> torch.Tensor:
    """The ranks' tensors, one after another along the first dimension."""
    return torch.ops.p2plab.all_gather(x, group.number, group.ranks)


def all_to_all(x: torch.Tensor, group: Group) -> torch.Tensor:
    """Part r of the first dimension goes to rank r; what comes back lies by rank."""
    _whole(x, group)
    return torch.ops.p2plab.all_to_all(x, group.number, group.ranks)


def broadcast_(x: torch.Tensor, group: Group, root: int = 0) -> torch.Tensor:
    """The root's tensor, everywhere, in place."""
    torch.ops.p2plab.broadcast_(x, group.number, root)
    return x


def gather(x: torch.Tensor, group: Group, root: int = 0) -> torch.Tensor:
    """The ranks' tensors at the root, along the first dimension; elsewhere an empty tensor."""
    return torch.ops.p2plab.gather(x, group.number, root, group.rank, group.ranks)
