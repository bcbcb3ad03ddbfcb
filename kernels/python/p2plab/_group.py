# SPDX-License-Identifier: Apache-2.0
"""A rank of a communicator."""

import ctypes
import itertools
import weakref

from ._library import EXCHANGE, FLOAT8, KINDS, NORMS, OPS, ROWS, TYPES, Call, Chunks, Config, Epilogue, Error, UniqueId, check, library

_by_number = weakref.WeakValueDictionary()
_numbers = itertools.count(1)


def group_of(number):
    """The group that has this number, which is what operators are given."""
    found = _by_number.get(number)
    if found is None:
        raise Error("INVALID", f"group {number} is gone")
    return found


class Group:
    """One rank on one GPU. All ranks make the same calls in the same order. Of the settings see p2plab_config in p2plab/c/p2plab.h."""

    def __init__(self, rank, ranks, unique_id, device, **settings):
        self.rank, self.ranks, self.device = rank, ranks, device
        self.number = next(_numbers)
        self._comm = ctypes.c_void_p()
        given = UniqueId()
        ctypes.memmove(ctypes.byref(given), unique_id, 128)
        check(library().p2plab_comm_init_rank(ctypes.byref(self._comm), ranks, given, rank, device, ctypes.byref(_config(settings))))
        _by_number[self.number] = self

    @classmethod
    def all(cls, devices, **settings):
        """All ranks in this process: a group for each, rank r on GPU devices[r]."""
        comms = (ctypes.c_void_p * len(devices))()
        numbers = (ctypes.c_int * len(devices))(*devices)
        check(library().p2plab_comm_init_all(comms, len(devices), numbers, ctypes.byref(_config(settings))))
        groups = []
        for rank, device in enumerate(devices):
            group = cls.__new__(cls)
            group.rank, group.ranks, group.device, group.number = rank, len(devices), device, next(_numbers)
            group._comm = ctypes.c_void_p(comms[rank])
            _by_number[group.number] = group
            groups.append(group)
        return groups

    @classmethod
    def from_exchange(cls, rank, ranks, exchange, device, **settings):
        """Ranks on one server or several that can exchange bytes: `exchange(mine)` is called once, and gives all ranks' bytes, by rank (MPI's allgather, a
        store)."""
        group = cls.__new__(cls)
        group.rank, group.ranks, group.device, group.number = rank, ranks, device, next(_numbers)
        group._comm = ctypes.c_void_p()
        raised = []

        def give_all(mine, everybody, size, _user):
            try:
                parts = exchange(ctypes.string_at(mine, size))
                if len(parts) != ranks or any(len(part) != size for part in parts):
                    raise Error("INVALID", f"the exchange must give {size} bytes of each of {ranks} ranks")
                ctypes.memmove(everybody, b"".join(parts), size * ranks)
                return 0
            except BaseException as error:  # no exception passes through C
                raised.append(error)
                return 1

        result = library().p2plab_comm_init_exchange(ctypes.byref(group._comm), ranks, rank, device, EXCHANGE(give_all), None, ctypes.byref(_config(settings)))
        if raised:
            raise raised[0]
        check(result)
        _by_number[group.number] = group
        return group

    @classmethod
    def from_torch(cls, process_group=None, device=None, **settings):
        """The ranks of a torch.distributed group, of any backend, on one server or several: it carries 128 bytes a rank, once."""
        import torch
        import torch.distributed as dist

        rank, ranks = dist.get_rank(process_group), dist.get_world_size(process_group)
        device = torch.cuda.current_device() if device is None else torch.device(device).index

        def exchange(mine):
            everybody = [None] * ranks
            dist.all_gather_object(everybody, mine, group=process_group)
            return everybody

        return cls.from_exchange(rank, ranks, exchange, device, **settings)

    def prepare(self, kind, count, dtype, op="sum", root=0, peer=0):
        """Makes a program for just this call, and waits; all ranks together. What a CUDA graph captures should be prepared."""
        check(library().p2plab_prepare(self._comm, ctypes.byref(_call(kind, count, dtype, op, root, peer))))

    def run_fused(self, send, count, dtype, stream, op="sum", **epilogue):
        """An all-reduce of whole rows and what follows it, on addresses: hidden, norm ("rms", "layer", "none"), float8 (None, "tensor", "token",
        "group"), rows_of ("all", "owned"), epsilon, and the tensors residual, weight, bias, sum, normed, quantised, scales; 0: there is none. p2plab.h
        says what they are."""
        check(library().p2plab_all_reduce_fused(send, count, TYPES[dtype], OPS[op], ctypes.byref(_epilogue(epilogue)), self._comm, stream))

    def prepare_fused(self, count, dtype, op="sum", **epilogue):
        """Makes its program, and waits; all ranks together. Of the tensors only matters which are there. What a CUDA graph captures should be prepared."""
        check(library().p2plab_prepare_fused(self._comm, count, TYPES[dtype], OPS[op], ctypes.byref(_epilogue(epilogue))))

    def run_in_chunks(self, send, receive, count, dtype, stream, chunks, done=0, given=0, op="sum", done_value=1, given_value=1, **epilogue):
        """An all-reduce chunk by chunk: `done` and `given` are addresses of words on the GPU, one a chunk, that say what is done and what is there; 0:
        none. p2plab_chunks in p2plab.h says how they are used. With `hidden` and what run_fused takes beside, it has an epilogue."""
        words = Chunks(ctypes.sizeof(Chunks), chunks, done, done_value, given, given_value)
        after = ctypes.byref(_epilogue(epilogue)) if epilogue else None
        check(library().p2plab_all_reduce_in_chunks(send, receive, count, TYPES[dtype], OPS[op], after, ctypes.byref(words), self._comm, stream))

    def prepare_chunks(self, count, dtype, chunks, op="sum", **epilogue):
        """Makes the programs of such a call, and waits; all ranks together. The elements of a chunk."""
        after = ctypes.byref(_epilogue(epilogue)) if epilogue else None
        elements = ctypes.c_size_t()
        check(library().p2plab_chunk_elements(count, TYPES[dtype], after, chunks, ctypes.byref(elements)))
        for part in sorted({min(count, elements.value), count % elements.value} - {0}):
            self.prepare_fused(part, dtype, op, **epilogue) if epilogue else self.prepare("all_reduce", part, dtype, op)
        return elements.value

    def explain(self, kind, count, dtype, op="sum", root=0, peer=0):
        """Which backend serves such a call, in which form, and why."""
        text = ctypes.create_string_buffer(1024)
        check(library().p2plab_explain(self._comm, ctypes.byref(_call(kind, count, dtype, op, root, peer)), text, len(text)))
        return text.value.decode(errors="replace")

    def run(self, kind, send, receive, count, dtype, stream, op="sum", root=0, peer=0):
        """Any collective on addresses: `send` and `receive` in the GPU's memory, `stream` a cudaStream_t."""
        lib, kind_type = library(), TYPES[dtype]
        function = getattr(lib, f"p2plab_{kind}")
        if kind in ("all_reduce", "reduce_scatter"):
            more = (OPS[op],)
        elif kind == "reduce":
            more = (OPS[op], root)
        elif kind in ("broadcast", "gather", "scatter"):
            more = (root,)
        else:
            more = (root, peer) if kind == "send_receive" else ()
        check(function(send, receive, count, kind_type, *more, self._comm, stream))

    def check(self):
        """Raises what failed since: a rank that is gone, a kernel that gave up waiting."""
        check(library().p2plab_comm_async_error(self._comm))

    def loss(self):
        """What the machine lost since, and what would serve those that are left; "": nothing."""
        text = ctypes.create_string_buffer(1024)
        check(library().p2plab_comm_loss(self._comm, text, len(text)))
        return text.value.decode(errors="replace")

    def repaired(self, without=(), **settings):
        """A group in this one's stead without the ranks whose GPUs are lost and those in `without`; all that are left call it, and have new ranks. This
        one is of no use then."""
        made, numbers = ctypes.c_void_p(), (ctypes.c_int * len(without))(*without)
        check(library().p2plab_comm_repair(ctypes.byref(made), self._comm, numbers, len(without), ctypes.byref(_config(settings))))
        group = Group.__new__(Group)
        group._comm, group.device, group.number = made, self.device, next(_numbers)
        group.rank, group.ranks = library().p2plab_comm_rank(made), library().p2plab_comm_ranks(made)
        _by_number[group.number] = group
        return group

    def abort(self, why="aborted"):
        check(library().p2plab_comm_abort(self._comm, why.encode()))

    def close(self):
        """Waits for the rank's calls, and leaves; all ranks together. Let go of graphs that hold its calls first: over servers it is an error if some are
        still there after P2PLAB_DEADLINE; then nothing has changed."""
        if self._comm:
            check(library().p2plab_comm_destroy(self._comm))
            self._comm = ctypes.c_void_p()


def _call(kind, count, dtype, op, root, peer):
    return Call(KINDS[kind], count, TYPES[dtype], OPS[op], root, peer)


def _epilogue(given):
    words = dict(given)
    made = Epilogue(size=ctypes.sizeof(Epilogue), hidden=words.pop("hidden"), norm=NORMS[words.pop("norm", "rms")],
                    float8=FLOAT8[words.pop("float8", None)], epsilon=words.pop("epsilon", 1e-6), rows_of=ROWS[words.pop("rows_of", "all")])
    for name, address in words.items():
        if name not in ("residual", "weight", "bias", "sum", "normed", "quantised", "scales"):
            raise Error("INVALID", f"an epilogue has no '{name}'")
        setattr(made, name, address)
    return made


def _config(settings):
    known = {"backend": str.encode, "tuned": str.encode, "prepare": str.encode, "order": str.encode, "join_seconds": float, "timeout_seconds": float, "deadline_seconds": float,
             "concurrent": int, "load_nccl": int, "most_blocks": int}
    config = Config(size=ctypes.sizeof(Config), load_nccl=1)
    for name, value in settings.items():
        if name not in known:
            raise Error("INVALID", f"unknown setting '{name}'; known are {', '.join(known)}")
        setattr(config, name, known[name](value))
    return config
