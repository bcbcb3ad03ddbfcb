# SPDX-License-Identifier: Apache-2.0
"""libp2plab.so by ctypes: p2plab/c/p2plab.h in Python's types."""

import ctypes
import os
from ctypes import POINTER, c_char, c_char_p, c_double, c_int, c_size_t, c_uint, c_ulonglong, c_void_p

RESULTS = ("OK", "INVALID", "UNSUPPORTED", "NO_DEVICE", "FAILED", "NOT_SERVED", "LEFT_TO_NCCL")
TYPES = {"int8": 0, "uint8": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5, "float16": 6, "float32": 7, "float64": 8, "bfloat16": 9,
         "int16": 100, "uint16": 101}
OPS = {"sum": 0, "product": 1, "max": 2, "min": 3, "average": 4}
KINDS = {"all_reduce": 0, "reduce_scatter": 1, "all_gather": 2, "broadcast": 3, "reduce": 4, "gather": 5, "scatter": 6, "all_to_all": 7,
         "send_receive": 8}
NORMS = {"none": 0, "rms": 1, "layer": 2}
FLOAT8 = {None: 0, "tensor": 1, "token": 2, "group": 3}
ROWS = {"all": 0, "owned": 1}
ABI = 3


class Error(RuntimeError):
    """What libp2plab answered: `result` is its word for the kind, as in "NO_DEVICE"."""

    def __init__(self, result, text):
        super().__init__(f"{result}: {text}")
        self.result = result


class UniqueId(ctypes.Structure):
    _fields_ = [("bytes", c_char * 128)]


class Config(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("backend", c_char_p), ("tuned", c_char_p), ("prepare", c_char_p), ("join_seconds", c_double), ("timeout_seconds", c_double),
                ("concurrent", c_int), ("serve_ready_only", c_int), ("load_nccl", c_int), ("start_later", c_int), ("say", c_void_p),
                ("say_user", c_void_p), ("deadline_seconds", c_double),
                ("order", c_char_p), ("most_blocks", c_int)]


class Call(ctypes.Structure):
    _fields_ = [("kind", c_int), ("count", c_size_t), ("type", c_int), ("op", c_int), ("root", c_int), ("peer", c_int)]


class Epilogue(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("hidden", c_size_t), ("norm", c_int), ("float8", c_int), ("epsilon", c_double), ("residual", c_void_p),
                ("weight", c_void_p), ("bias", c_void_p), ("sum", c_void_p), ("normed", c_void_p), ("quantised", c_void_p), ("scales", c_void_p),
                ("rows_of", c_int)]


class Chunks(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("count", c_size_t), ("done", c_void_p), ("done_value", c_uint), ("given", c_void_p), ("given_value", c_uint)]


def find_library():
    """The path of libp2plab.so: P2PLAB_LIBRARY, else beside this package, else as the loader finds it."""
    given = os.environ.get("P2PLAB_LIBRARY")
    if given:
        return given
    here = os.path.dirname(os.path.abspath(__file__))
    for name in ("libp2plab.so.1", "libp2plab.so"):
        if os.path.exists(os.path.join(here, name)):
            return os.path.join(here, name)
    return "libp2plab.so.1"


# Gives every rank's bytes to every rank: mine, all, size, user.
EXCHANGE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, c_void_p)

_functions = {
    "p2plab_get_unique_id": [POINTER(UniqueId)],
    "p2plab_address_unique_id": [c_char_p, POINTER(UniqueId)],
    "p2plab_comm_init_rank": [POINTER(c_void_p), c_int, UniqueId, c_int, c_int, POINTER(Config)],
    "p2plab_comm_init_exchange": [POINTER(c_void_p), c_int, c_int, c_int, EXCHANGE, c_void_p, POINTER(Config)],
    "p2plab_comm_init_all": [POINTER(c_void_p), c_int, POINTER(c_int), POINTER(Config)],
    "p2plab_comm_finalize": [c_void_p],
    "p2plab_comm_abort": [c_void_p, c_char_p],
    "p2plab_comm_destroy": [c_void_p],
    "p2plab_comm_async_error": [c_void_p],
    "p2plab_comm_rank": [c_void_p],
    "p2plab_comm_ranks": [c_void_p],
    "p2plab_comm_loss": [c_void_p, c_char_p, c_size_t],
    "p2plab_comm_repair": [POINTER(c_void_p), c_void_p, POINTER(c_int), c_int, POINTER(Config)],
    "p2plab_all_reduce": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p],
    "p2plab_all_reduce_fused": [c_void_p, c_size_t, c_int, c_int, POINTER(Epilogue), c_void_p, c_void_p],
    "p2plab_all_reduce_in_chunks": [c_void_p, c_void_p, c_size_t, c_int, c_int, POINTER(Epilogue), POINTER(Chunks), c_void_p, c_void_p],
    "p2plab_chunk_elements": [c_size_t, c_int, POINTER(Epilogue), c_size_t, POINTER(c_size_t)],
    "p2plab_prepare_fused": [c_void_p, c_size_t, c_int, c_int, POINTER(Epilogue)],
    "p2plab_reduce": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_int, c_void_p, c_void_p],
    "p2plab_reduce_scatter": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p],
    "p2plab_all_gather": [c_void_p, c_void_p, c_size_t, c_int, c_void_p, c_void_p],
    "p2plab_broadcast": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p],
    "p2plab_gather": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p],
    "p2plab_scatter": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p],
    "p2plab_all_to_all": [c_void_p, c_void_p, c_size_t, c_int, c_void_p, c_void_p],
    "p2plab_send_receive": [c_void_p, c_void_p, c_size_t, c_int, c_int, c_int, c_void_p, c_void_p],
    "p2plab_prepare": [c_void_p, POINTER(Call)],
    "p2plab_explain": [c_void_p, POINTER(Call), c_char_p, c_size_t],
    "p2plab_device_count": [POINTER(c_int)],
    "p2plab_recorded_calls": [POINTER(c_ulonglong), c_void_p, c_size_t, c_size_t, POINTER(c_size_t), POINTER(c_ulonglong)],
    "p2plab_recorded_replays": [c_void_p, c_size_t, c_size_t, POINTER(c_size_t)],
}
_loaded = None


def library():
    """The library, loaded once. Its calls let other Python threads go on, for some wait for other ranks."""
    global _loaded
    if _loaded is None:
        loaded = ctypes.CDLL(find_library())
        loaded.p2plab_abi.restype = c_int
        if loaded.p2plab_abi() < ABI:
            raise Error("UNSUPPORTED", f"{find_library()} has interface {loaded.p2plab_abi()}, this package needs {ABI}")
        loaded.p2plab_version.restype = c_char_p
        loaded.p2plab_last_error.restype = c_char_p
        for name, arguments in _functions.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = arguments, c_int
        _loaded = loaded
    return _loaded


def check(result):
    if result != 0:
        raise Error(RESULTS[result] if result < len(RESULTS) else str(result), library().p2plab_last_error().decode(errors="replace"))


def version():
    return library().p2plab_version().decode()


def unique_id():
    """128 bytes that name a meeting place; all ranks get the same."""
    made = UniqueId()
    check(library().p2plab_get_unique_id(ctypes.byref(made)))
    return bytes(bytearray(memoryview(made)))


def address_unique_id(address=None):
    """The same 128 bytes for all ranks that name one TCP address of rank 0's, "127.0.0.1:29500"; None: what P2PLAB_ADDRESS says, else MASTER_ADDR and
    MASTER_PORT, where nobody else may listen."""
    made = UniqueId()
    check(library().p2plab_address_unique_id(None if address is None else address.encode(), ctypes.byref(made)))
    return bytes(bytearray(memoryview(made)))
