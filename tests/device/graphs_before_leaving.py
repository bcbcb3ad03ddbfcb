# SPDX-License-Identifier: Apache-2.0
"""Two servers of one rank on real GPUs: a communicator whose calls a CUDA graph holds is not destroyed, which NCCL would wait for without end.

    P2PLAB_LIBRARY=libp2plab.so.1 python3 graphs_before_leaving.py

NCCL_HOSTID tells the servers apart. Each rank leaves while its graph is there, and is refused within seconds; the graph still replays, and once it is gone
the rank leaves. Then, of a second communicator, each rank aborts while its graph is there, and leaves within seconds. Exit code 1: not so; 77: cannot run
here, with the reason."""
import os
import sys
import time

from on_gpus import SKIP, cannot_run, codes_of, start_on_server

RANKS = 2
COUNT = 1 << 18
LONGEST = 8  # seconds of anything that must not wait for a graph: ranks wait 2 s


def expect(good, what):
    if not good:
        sys.exit(f"rank {os.environ['RANK']}: {what}")


def captured(torch, group, stream, data):
    group.prepare("all_reduce", COUNT, "float32")
    run = lambda: group.run("all_reduce", data.data_ptr(), data.data_ptr(), COUNT, "float32", torch.cuda.current_stream().cuda_stream)
    with torch.cuda.stream(stream):
        run()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="relaxed"):
            run()
    return graph


def one_rank():
    import torch
    import p2plab

    rank = int(os.environ["RANK"])
    device = rank % torch.cuda.device_count()
    torch.cuda.set_device(device)
    stream, data = torch.cuda.Stream(), torch.zeros(COUNT, device=f"cuda:{device}")
    ids = [bytes.fromhex(each) for each in os.environ["P2PLAB_TEST_ID"].split(",")]
    settings = dict(backend="p2p", prepare="", load_nccl=1, concurrent=2, deadline_seconds=2)

    group = p2plab.Group(rank, RANKS, ids[0], device, **settings)
    graph = captured(torch, group, stream, data)
    begun = time.time()
    try:
        group.close()
        expect(False, "it left before its graph")
    except p2plab.Error as error:
        expect("CUDA graph" in str(error), f"another error: {error}")
    refused = time.time() - begun
    data.fill_(rank + 1)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        graph.replay()
    stream.synchronize()
    expect(bool((data == 3).all()), "wrong data after it was refused")
    del graph
    begun = time.time()
    group.close()
    left = time.time() - begun

    group = p2plab.Group(rank, RANKS, ids[1], device, **settings)
    graph = captured(torch, group, stream, data)
    begun = time.time()
    group.abort("the test ends it")
    group.close()
    aborted = time.time() - begun
    print(f"  rank {rank}: refused in {refused:.2f} s, left without the graph in {left:.2f} s, aborted beside one in {aborted:.2f} s", flush=True)
    expect(max(refused, left, aborted) < LONGEST, "too long")
    os._exit(0)  # what NCCL has begun to end waits for the graph


def main():
    if cannot_run():
        return SKIP
    if "RANK" in os.environ:
        return one_rank()
    import p2plab

    meeting = ",".join(p2plab.unique_id().hex() for _ in range(2))
    codes = codes_of([start_on_server(rank, rank, P2PLAB_TEST_ID=meeting) for rank in range(RANKS)], time.time() + 90)
    print(f"graphs before leaving, 2 servers of 1: {'right' if not any(codes) else f'FAILED {codes}'}", flush=True)
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
