# SPDX-License-Identifier: Apache-2.0
"""Groups over servers by kernels/python, on GPUs that are CPU threads: servers_in_python.py STAGE PACKAGE. Each process is a server of its own."""

import ctypes
import os
import sys
import tempfile
import time

stage, package = sys.argv[1:3]
ranks, count = 3, 1000


def exchange(folder, rank):
    def give(mine):
        path = os.path.join(folder, "part")
        with open(f"{path}{rank}.new", "wb") as file:
            file.write(mine)
        os.rename(f"{path}{rank}.new", f"{path}{rank}")
        while not all(os.path.exists(f"{path}{other}") for other in range(ranks)):
            time.sleep(0.005)
        return [open(f"{path}{other}", "rb").read() for other in range(ranks)]

    return give


def live(folder, rank):
    os.environ.update(NCCL_HOSTID=f"server{rank}", P2PLAB_LIBRARY=f"{stage}/libp2plab.so.1", P2PLAB_NCCL=f"{stage}/nccl/libnccl.so.2",
                      P2PLAB_TEST_FOLDER=folder)
    ctypes.CDLL(f"{stage}/libcuda.so.1", mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, package)
    import p2plab

    group = p2plab.Group.from_exchange(rank, ranks, exchange(folder, rank), rank, backend="p2p", prepare="")
    streams = ctypes.CDLL(f"{stage}/libcuda.so.1")
    for call in range(5):
        data = (ctypes.c_float * count)(*(rank + call + i % 7 for i in range(count)))
        group.run("all_reduce", ctypes.addressof(data), ctypes.addressof(data), count, "float32", None)
        streams.host_streams_wait()
        group.check()
        assert all(data[i] == sum(r + call + i % 7 for r in range(ranks)) for i in range(count)), (rank, call)
    assert "over 3 servers" in group.explain("all_reduce", count, "float32"), group.explain("all_reduce", count, "float32")
    group.close()

    def wrong(mine):
        return [mine]

    try:
        p2plab.Group.from_exchange(rank, ranks, wrong, rank)
    except p2plab.Error as error:
        assert "128 bytes of each of 3 ranks" in str(error), error
    else:
        raise AssertionError("an exchange of one rank's bytes was taken")


with tempfile.TemporaryDirectory() as folder:
    children = []
    for rank in range(ranks):
        child = os.fork()
        if child == 0:
            try:
                live(folder, rank)
            except BaseException as error:
                print(f"rank {rank}: {error!r}", flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    failed = [rank for rank, child in enumerate(children) if os.waitpid(child, 0)[1] != 0]
    sys.exit(1 if failed else 0)
