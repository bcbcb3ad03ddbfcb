# SPDX-License-Identifier: Apache-2.0
"""A GPU that is lost, as a Python program sees it, on GPUs that are CPU threads: losses_in_python.py STAGE PACKAGE"""

import ctypes
import os
import sys
import tempfile
import threading
import time

stage, package = sys.argv[1:]
folder = tempfile.TemporaryDirectory()
lost = os.path.join(folder.name, "lost")
os.environ.update(P2PLAB_LIBRARY=os.path.join(stage, "libp2plab.so.1"), P2PLAB_WATCH="0.02", P2PLAB_TEST_LOST=lost)
sys.path.insert(0, package)
ctypes.CDLL(os.path.join(stage, "nvml/libnvidia-ml.so.1"), mode=ctypes.RTLD_GLOBAL)
import p2plab  # noqa: E402

gpu = ctypes.CDLL(os.path.join(stage, "libcuda.so.1"))
gpu.host_stream_create.restype = ctypes.c_void_p
ranks = 3
place = p2plab.unique_id()
sums = [None] * ranks


def expect(found, wanted, what):
    if found != wanted:
        sys.stderr.write(f"{what}: {wanted} wanted, {found} found\n")
        os._exit(1)


def all_reduce(group, stream, value):
    data = (ctypes.c_float * 512)(*[value] * 256)
    address = ctypes.addressof(data)
    group.run("all_reduce", address, address + 1024, 256, "float32", stream)
    gpu.host_stream_wait(ctypes.c_void_p(stream))
    return data[256]


def work(rank):
    stream = gpu.host_stream_create()
    group = p2plab.Group(rank, ranks, place, rank, prepare="", load_nccl=0)
    expect(all_reduce(group, stream, rank + 1.0), 6.0, "the sum of all")
    expect(group.loss(), "", "a loss")
    meet.wait()
    if rank == 0:
        with open(lost + ".new", "w") as file:
            file.write("gpu 1\n")
        os.rename(lost + ".new", lost)
    for _ in range(500):
        try:
            group.check()
        except p2plab.Error as error:
            expect("GPU 0000:01:00.0 (rank 1) is lost" in str(error), True, str(error))
            break
        time.sleep(0.01)
    expect("ranks 0, 2 can go on" in group.loss(), True, group.loss())
    if rank == 1:
        group.close()
        return
    left = group.repaired(prepare="", load_nccl=0)
    group.close()
    expect((left.rank, left.ranks), (rank // 2, 2), "rank and ranks")
    sums[rank] = all_reduce(left, stream, rank + 1.0)
    left.close()


meet = threading.Barrier(ranks)
threads = [threading.Thread(target=work, args=(rank,)) for rank in range(ranks)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
expect(sums, [4.0, None, 4.0], "sums of those that are left")
