# SPDX-License-Identifier: Apache-2.0
"""What does NCCL's profiler plugin cost PyTorch's all-reduces, and does the record have every call? Two processes, a GPU each, again and again without the
plugin and with it at levels basic and detailed, in turns; eager calls and replays of a graph.

    python3 nccl_profiled.py --plugin libnccl-profiler-p2plab.so --program p2plab [--bytes 1048576] [--rounds 6] [--seconds 240]

Prints each round as it comes, then medians over rounds and what the plugin added (aim: at most 1 % at 1 MiB at level basic), then what was counted: at
level basic NCCL tells of calls alone, from detailed on of replays, too. Needs PyTorch with NCCL and two GPUs; else 77."""

import argparse
import collections
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SKIP = 77
LEVELS = ("off", "basic", "detailed")
WARM, EAGER, CAPTURED, REPLAYS = 50, 1000, 20, 50


def worker(arguments):
    import torch
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", device_id=torch.device("cuda", rank))
    data = torch.zeros(arguments.bytes // 2, dtype=torch.float16, device="cuda")

    def timed(body, calls):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        dist.barrier()
        torch.cuda.synchronize()
        begin.record()
        body()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) * 1e3 / calls

    def call(times):
        for _ in range(times):
            dist.all_reduce(data)

    call(WARM)
    torch.cuda.synchronize()
    eager = [timed(lambda: call(EAGER), EAGER) for _ in range(3)]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call(CAPTURED)
    replay = lambda: [graph.replay() for _ in range(REPLAYS)]
    in_graph = [timed(replay, CAPTURED * REPLAYS) for _ in range(4)][1:]
    time.sleep(0.3)  # what NCCL tells of the last replays
    print(json.dumps({"rank": rank, "eager": statistics.median(eager), "graph": statistics.median(in_graph)}), flush=True)
    os._exit(0)  # NCCL waits in its destruction for graphs that hold its kernels


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def run(arguments, level, folder):
    environment = dict(os.environ, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()), NCCL_NVLS_ENABLE="0")
    environment.pop("NCCL_PROFILER_PLUGIN", None)
    if level != "off":
        environment.update(NCCL_PROFILER_PLUGIN=os.path.abspath(arguments.plugin), P2PLAB_MONITOR=level, P2PLAB_MONITOR_DIR=folder)
    command = [sys.executable, os.path.abspath(__file__), "--worker", "--bytes", str(arguments.bytes)]
    children = [subprocess.Popen(command, env=dict(environment, RANK=str(rank)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    said = []
    for child in children:
        try:
            out, err = child.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            for each in children:
                each.kill()
            return f"no end in 90 s at level {level}"
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        if child.returncode != 0 or not lines:
            return f"exit {child.returncode} at level {level}: {err[-600:]}"
        said.append(lines[-1])
    return said[0]


def counted(arguments, folder):
    """Calls of this size by rank, those captured among them, and replays."""
    ran = subprocess.run([arguments.program, "monitor", "--dir", folder, "--ended", "--once", "--json"], capture_output=True, text=True)
    counts = collections.Counter()
    for line in ran.stdout.splitlines():
        call = json.loads(line)
        if call.get("event") != "call" or call.get("count") != arguments.bytes // 2:
            continue
        counts[call["rank"], "replays" if call.get("replay") else "calls"] += call.get("replays", 1) if call.get("replay") else 1
    return counts, ran.stderr.strip()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--plugin")
    parser.add_argument("--program")
    parser.add_argument("--bytes", type=int, default=1 << 20)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--worker", action="store_true")
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments)
    try:
        import torch
        if torch.cuda.device_count() < 2 or not torch.distributed.is_nccl_available():
            raise RuntimeError("two GPUs and NCCL are needed")
        print(f"PyTorch {torch.__version__}, NCCL {torch.cuda.nccl.version()}, {arguments.bytes} B of float16, {torch.cuda.get_device_name(0)}", flush=True)
    except (ImportError, RuntimeError) as error:
        print(f"SKIPPED: {error}")
        sys.exit(SKIP)
    end, good, times = time.monotonic() + arguments.seconds, True, {level: [] for level in LEVELS}
    with tempfile.TemporaryDirectory() as base:
        for turn in range(arguments.rounds):
            if turn > 0 and time.monotonic() > end:
                break
            for level in LEVELS[turn % 3:] + LEVELS[:turn % 3]:
                folder = os.path.join(base, f"{level}{turn}")
                os.mkdir(folder)
                said = run(arguments, level, folder)
                if isinstance(said, str):
                    print(f"WRONG: {said}", flush=True)
                    good = False
                    continue
                times[level].append(said)
                print(f"{level:9} eager {said['eager']:8.3f} us, in a graph {said['graph']:8.3f} us", flush=True)
                if level == "off":
                    continue
                counts, complaint = counted(arguments, folder)
                wanted = {"calls": WARM + 3 * EAGER + CAPTURED, "replays": 4 * REPLAYS * CAPTURED if level == "detailed" else 0}
                for rank in (0, 1):
                    for what, many in wanted.items():
                        if counts[rank, what] != many:
                            print(f"WRONG: rank {rank} at {level}: {counts[rank, what]} of {many} {what} recorded; {complaint[:200]}", flush=True)
                            good = False
    for what in ("eager", "graph"):
        middle = {level: statistics.median(each[what] for each in times[level]) for level in LEVELS if times[level]}
        for level, us in middle.items():
            spread = [each[what] for each in times[level]]
            print(f"{what:5} {level:9} {us:8.3f} us ({min(spread):.3f} to {max(spread):.3f}, {len(spread)} runs), {100 * (us / middle['off'] - 1):+.2f} %", flush=True)
    sys.exit(0 if good else 1)


main()
