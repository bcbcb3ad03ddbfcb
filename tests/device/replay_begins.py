# SPDX-License-Identifier: Apache-2.0
"""When did replays of a graph begin, by the host's clock? Two ranks, a process each, replay an all-reduce again and again; the record must say that each
began after its launch was asked for and before its stream was done. Needs no PyTorch.

    P2PLAB_LIBRARY=libp2plab.so.1 python3 replay_begins.py --program p2plab [--times 1000] [--within 20]

Prints by how much begins lie after the launch, and outside of that time (microseconds); 1: by more than --within. 77: cannot run here."""

import argparse
import ctypes
import json
import os
import random
import subprocess
import sys
import tempfile
import time

import named_faults

SKIP = 77


def worker(arguments):
    import p2plab

    gpu = named_faults.Gpu("libcuda.so.1", arguments.device)
    cuda, stream, count = gpu.cuda, ctypes.c_void_p(gpu.stream), named_faults.COUNT
    print("here", flush=True)
    group = p2plab.Group(arguments.worker, 2, bytes.fromhex(sys.stdin.readline().strip()), arguments.device, prepare="all_reduce:float32:sum:16KiB", load_nccl=0)
    gpu.write(0.0)
    graph, replayed = ctypes.c_void_p(), ctypes.c_void_p()
    done = [cuda.cuStreamBeginCapture_v2(stream, 2)]
    group.run("all_reduce", gpu.address, gpu.address + 4 * count, count, "float32", gpu.stream)
    done += [cuda.cuStreamEndCapture(stream, ctypes.byref(graph)), cuda.cuGraphInstantiateWithFlags(ctypes.byref(replayed), graph, ctypes.c_ulonglong(0))]
    if any(done):
        sys.exit(f"CUDA's driver answers {done}")
    for _ in range(arguments.times):
        asked = time.monotonic_ns()
        cuda.cuGraphLaunch(replayed, stream)
        cuda.cuStreamSynchronize(stream)
        print(asked, time.monotonic_ns())
        time.sleep(random.uniform(0, 0.008))
    time.sleep(0.3)
    group.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program")
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--within", type=float, default=20)
    parser.add_argument("--worker", type=int)
    parser.add_argument("--device", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        return worker(arguments)
    try:
        gpus = ctypes.c_int()
        cuda = ctypes.CDLL("libcuda.so.1")
        if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(gpus)) != 0 or gpus.value < 1:
            raise OSError("no GPU")
    except OSError as error:
        print(f"skipped: {error}")
        return SKIP
    import p2plab

    folder = tempfile.mkdtemp()
    environment = dict(os.environ, P2PLAB_MONITOR="detailed", P2PLAB_MONITOR_DIR=folder)
    ranks = [subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", str(rank), "--device", str(rank % gpus.value), "--times", str(arguments.times)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) for rank in range(2)]
    place = p2plab.unique_id().hex()
    for each in ranks:
        each.stdout.readline()
    told = []
    for each in ranks:
        each.stdin.write(place + "\n")
        each.stdin.flush()
    for each in ranks:
        told.append([[int(word) for word in line.split()] for line in each.communicate(timeout=120)[0].splitlines()])
    ran = subprocess.run([arguments.program, "monitor", "--dir", folder, "--ended", "--once", "--json"], capture_output=True, text=True)
    wrong = 0
    for rank in range(2):
        lines = [json.loads(line) for line in ran.stdout.splitlines() if '"replay":true' in line]
        begun = [line["begun_ns"] for line in sorted((each for each in lines if each["rank"] == rank), key=lambda each: each["sequence"])]
        if len(begun) != arguments.times or len(told[rank]) != arguments.times:
            print(f"rank {rank}: {len(begun)} replays recorded, {len(told[rank])} of {arguments.times} run; {ran.stderr[:200]}")
            wrong += 1
            continue
        after = sorted((each - asked) / 1e3 for each, (asked, _) in zip(begun, told[rank]))
        outside = max(max(asked - each, each - done, 0) / 1e3 for each, (asked, done) in zip(begun, told[rank]))
        print(f"rank {rank}: {len(begun)} replays began {after[0]:.1f} to {after[-1]:.1f} us after their launch was asked for (median {after[len(after) // 2]:.1f}), "
              f"at most {outside:.1f} us outside of the time until they were done", flush=True)
        wrong += outside > arguments.within
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
