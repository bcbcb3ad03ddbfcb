# SPDX-License-Identifier: Apache-2.0
"""What further communicators between servers cost: for each number of them (P2PLAB_CARRIERS) the seconds that libp2plab's communicator takes to be made
and the GPU memory that it holds, then and after calls of 16 MiB, which are checked on fresh data, by themselves and in a graph.

    python3 carriers_cost.py [--carriers 1,4,8]                     77: cannot run here, with the reason
"""
import argparse
import os
import subprocess
import sys
import time

SKIP = 77
COUNT = 1 << 23  # of float16


def one_rank(rank):
    import torch
    import p2plab

    torch.cuda.set_device(rank)
    x = torch.empty(COUNT, dtype=torch.float16, device="cuda")
    stream = torch.cuda.Stream()
    held = lambda: torch.cuda.mem_get_info()[0] / (1 << 20)
    before, begun = held(), time.monotonic()
    group = p2plab.Group(rank, 2, bytes.fromhex(os.environ["P2PLAB_TEST_ID"]), rank, backend="p2p", prepare="", load_nccl=1)
    made, seconds = before - held(), time.monotonic() - begun
    group.prepare("all_reduce", COUNT, "float16")
    base = torch.arange(COUNT, device="cuda") % 61
    wrong = 0

    def all_reduce():
        group.run("all_reduce", x.data_ptr(), x.data_ptr(), COUNT, "float16", stream.cuda_stream)

    def check(step, call):
        with torch.cuda.stream(stream):
            x.copy_(base + step + rank)
            call()
        stream.synchronize()
        group.check()
        return int(not torch.equal(x, (2 * base + 2 * step + 1).to(torch.float16)))

    for step in range(5):
        wrong += check(step, all_reduce)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="relaxed"):
        all_reduce()
    for step in range(5):
        wrong += check(step, graph.replay)
    if rank == 0:
        print(f"carriers {os.environ['P2PLAB_CARRIERS']}: made in {seconds:.2f} s, {made:.0f} MiB of the GPU, after calls {before - held():.0f} MiB; "
              f"{wrong} of 10 calls wrong; {group.explain('all_reduce', COUNT, 'float16')}", flush=True)
    del graph
    group.close()
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--carriers", default="1,4,8")
    args = parser.parse_args()
    try:
        import torch
    except ModuleNotFoundError:
        print("skipped: no PyTorch for this Python")
        return SKIP
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../kernels/python"))
    if "RANK" in os.environ:
        return one_rank(int(os.environ["RANK"]))
    if torch.cuda.device_count() < 2:
        print("skipped: no two GPUs")
        return SKIP
    import p2plab

    failed = False
    for carriers in args.carriers.split(","):
        meeting = p2plab.unique_id().hex()
        jobs = [subprocess.Popen([sys.executable, *sys.argv], env=dict(os.environ, RANK=str(r), P2PLAB_TEST_ID=meeting, P2PLAB_CARRIERS=carriers,
                                                                       NCCL_HOSTID=f"server{r}")) for r in range(2)]
        failed = any([job.wait() for job in jobs]) or failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
