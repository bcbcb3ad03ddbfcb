# SPDX-License-Identifier: Apache-2.0
"""p2plab.monitor and p2plab.recorded on GPUs that are CPU threads: recorded_in_python.py STAGE PACKAGE"""

import ctypes
import os
import sys
import threading
import time

stage, package = sys.argv[1:]
os.environ["P2PLAB_LIBRARY"] = os.path.join(stage, "libp2plab.so.1")
os.environ.pop("P2PLAB_MONITOR", None)
sys.path.insert(0, package)
import p2plab  # noqa: E402

gpu = ctypes.CDLL(os.path.join(stage, "libcuda.so.1"))
gpu.host_stream_create.restype = gpu.host_capture_end.restype = ctypes.c_void_p
pointer = ctypes.c_void_p
count = 1024
streams = [gpu.host_stream_create() for _ in range(2)]
data = [(ctypes.c_float * (2 * count))(*[rank + 1.0] * (2 * count)) for rank in range(2)]


def reduce(group, elements=count):
    address = ctypes.addressof(data[group.rank])
    group.run("all_reduce", address, address + 4 * count, elements, "float32", streams[group.rank])


def wait():
    for stream in streams:
        gpu.host_stream_wait(pointer(stream))


def expect(found, wanted, what):
    if found != wanted:
        sys.exit(f"{what}: {wanted} wanted, {found} found")


# Nothing is recorded before a block, and a block that makes no group says so.
with p2plab.monitor("detailed") as empty:
    pass
try:
    empty.calls
    sys.exit("calls of nobody")
except p2plab.Error as error:
    expect(error.result, "UNSUPPORTED", "without a group")
try:
    p2plab.monitor("loud")
    sys.exit("a level that is none")
except p2plab.Error as error:
    expect("'loud'" in str(error), True, "the level's name")

with p2plab.monitor("detailed") as first:
    groups = p2plab.Group.all([0, 1], prepare="all_reduce:float32:sum:4KiB")
    for _ in range(3):
        for group in groups:
            reduce(group)
    wait()
expect(len(first.calls), 6, "calls of the first block")
expect({(call.kind, call.count, call.type, call.op, call.rank, call.ranks, call.backend) for call in first.calls},
       {("all_reduce", count, "float32", "sum", rank, 2, "p2p") for rank in range(2)}, "what was called")
expect(all(call.time_us > 0 and call.algorithm for call in first.calls), True, "times by the device")
expect(first.lost, 0, "lost calls")

graphs = []
for group in groups:
    gpu.host_capture_begin(pointer(streams[group.rank]))
    reduce(group)
    reduce(group)
    graphs.append(gpu.host_capture_end(pointer(streams[group.rank])))


@p2plab.recorded
def step(times):
    """Replays."""
    for _ in range(times):
        for graph, stream in zip(graphs, streams):
            gpu.host_graph_launch(pointer(graph), pointer(stream))
    wait()
    return times


expect(step(7), 7, "the function's answer")
expect(step.__doc__, "Replays.", "its description")
expect(step(5), 5, "the function's answer")
expect(step.runs, 2, "runs")
expect(sorted(each.replays for each in step.seen.replays), [5, 5, 5, 5], "replays of the latest run")
expect(len([call for call in step.seen.calls if call.replayed]), 20, "replayed calls of the latest run")
expect(all(0 < each.least_us <= each.most_us and each.sum_us > 0 for each in step.seen.replays), True, "their times")
text = step.seen.text()
expect(text.count("\n"), 0, "lines")
expect(text.startswith("all_reduce of 1024 float32 by p2p ") and ": 0 calls, 20 replays, " in text, True, text)

# Two threads in one function: each run ends its own block, whichever ends first.
ends = [threading.Event() for _ in range(2)]
seen = []


@p2plab.recorded
def hold(end):
    seen.append(hold.seen)
    end.wait()


threads = [threading.Thread(target=hold, args=(end,)) for end in ends]
for begun, thread in enumerate(threads):
    thread.start()
    while len(seen) == begun:
        time.sleep(0.001)
ends[0].set()
threads[0].join()
for group in groups:
    reduce(group)
wait()
ends[1].set()
threads[1].join()
expect([len(each.calls) for each in seen], [0, 2], "calls of a run that ended before them, and of one that did not")
for group in groups:
    group.close()
print("ok")
