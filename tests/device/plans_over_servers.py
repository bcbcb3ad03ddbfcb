# SPDX-License-Identifier: Apache-2.0
"""Plans of named planners over two servers on real GPUs: all-reduces with fresh data, called and replayed in CUDA graphs, every element checked.

    P2PLAB_LIBRARY=libp2plab.so.1 python3 plans_over_servers.py --program p2plab [--cases ring:1,forest:1,ring:2,forest:2,hierarchical:2] [--calls 10000]

A case is a planner and the ranks of a server. `p2plab plan` makes its plan for each size, a tuned table tells libp2plab to call it; two servers are GPUs of
this machine that NCCL_HOSTID tells apart, over sockets. With fewer GPUs than ranks, ranks share one: data and order are tested, not speed. Of each case so
many calls and so many replays, sizes in turns, or as many as fit into --seconds; counts are printed as they are. Values are small whole numbers, so sums are
exact. Exit code 1: an element was wrong, or fewer calls than asked for; 77: cannot run here, with the reason."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from on_gpus import SKIP, cannot_run, codes_of, start_on_server

FEWER = 3  # nothing wrong, but fewer calls than asked for
SIZES = ("1 KiB", "64 KiB", "1 MiB")
BYTES = {"KiB": 1 << 10, "MiB": 1 << 20}
CALLS_AHEAD = 50  # of the stream, before the program waits for it


def bytes_of(size):
    number, unit = size.split()
    return int(number) * BYTES[unit]


def said(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def table_of(program, planner, ranks, folder):
    """A tuned table whose plan of each size is this planner's."""
    machine, table, plan = f"hgx-h200:nodes=2,gpus={ranks}", os.path.join(folder, "table.json"), os.path.join(folder, "plan.json")
    said([program, "tune", machine, "--sizes", f"{SIZES[0]}..{SIZES[-1]}", "--time-limit", "0", "--out", table])
    made = json.load(open(table))
    sample, made["bands"], made["sizes"] = made["bands"][0], [], len(SIZES)
    for size in SIZES:
        said([program, "plan", machine, "--algorithm", planner, "--size", size, "--out", plan])
        text = open(plan).read()
        tuning = json.loads(text)["tuning"]
        at = {**sample["sizes"][0], "size": size, "blocks_per_lane": tuning["blocks_per_lane"], "slice": f"{tuning['slice']} B", "protocol": tuning["protocol"]}
        made["bands"].append({"from": size, "to": size, "algorithm": planner, "parameters": {}, "reason": "as the test asks", "sizes": [at], "plan": text})
    json.dump(made, open(table, "w"))
    return table


class Calls:
    """All-reduces of one size: data of each call by its number, and how many elements were wrong, counted on the GPU."""

    def __init__(self, torch, group, size, wrong):
        self.torch, self.group, self.wrong = torch, group, wrong
        self.count = bytes_of(size) // 4
        at = torch.arange(self.count, device=wrong.device, dtype=torch.int32)
        self.base = at * 7 + at // 97
        self.send = torch.zeros(self.count, device=wrong.device, dtype=torch.float32)
        self.receive = torch.zeros_like(self.send)
        self.graph = None

    def data(self, call, rank):
        return (self.base + (call % 1000003) * 13 + rank * 29) % 11 - 5

    def enqueue(self):
        self.group.run("all_reduce", self.send.data_ptr(), self.receive.data_ptr(), self.count, "float32", self.torch.cuda.current_stream().cuda_stream)

    def capture(self, stream):
        self.graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(self.graph, stream=stream, capture_error_mode="relaxed"):
            self.enqueue()

    def run(self, call):
        """One call, or replay, and what counts its wrong elements; queued on the current stream."""
        self.send.copy_(self.data(call, self.group.rank))
        self.receive.fill_(-77)
        if self.graph:
            self.graph.replay()
        else:
            self.enqueue()
        want = sum(self.data(call, rank) for rank in range(self.group.ranks))
        self.wrong += (self.receive != want).sum()


def repeat(torch, group, sizes, stream, args, first):
    """How many calls were made, and how many elements of them were wrong."""
    begun, done = time.time(), 0
    sizes[0].wrong.zero_()
    with torch.cuda.stream(stream):
        while done < args.calls and time.time() - begun < args.seconds / 2:
            for _ in range(min(CALLS_AHEAD, args.calls - done)):
                sizes[done % len(sizes)].run(first + done)
                done += 1
            stream.synchronize()
            group.check()
    return done, int(sizes[0].wrong.item()), time.time() - begun


def one_rank(args):
    import torch
    import p2plab

    rank, ranks = int(os.environ["RANK"]), 2 * args.servers_of
    device = rank % torch.cuda.device_count()
    torch.cuda.set_device(device)
    meeting = bytes.fromhex(os.environ["P2PLAB_TEST_ID"])
    shared = -(-ranks // torch.cuda.device_count())
    group = p2plab.Group(rank, ranks, meeting, device, backend="p2p", tuned=args.table, prepare="", load_nccl=1, concurrent=2 * shared)
    wrong = torch.zeros((), dtype=torch.int64, device=f"cuda:{device}")
    sizes = [Calls(torch, group, size, wrong) for size in SIZES]
    for each in sizes:
        group.prepare("all_reduce", each.count, "float32")
        how = group.explain("all_reduce", each.count, "float32")
        if args.planner not in how or "over 2 servers" not in how:
            sys.exit(f"rank {rank}: not by {args.planner}: {how}")
    stream = torch.cuda.Stream()
    calls, bad, took = repeat(torch, group, sizes, stream, args, 0)
    for each in sizes:
        each.capture(stream)
    replays, worse, longer = repeat(torch, group, sizes, stream, args, args.calls)
    print(f"  rank {rank}: {calls} calls, {bad} elements wrong, {took:.1f} s; {replays} replays, {worse} wrong, {longer:.1f} s", flush=True)
    for each in sizes:  # a communicator of NCCL's waits in its end for graphs that hold its calls
        each.graph = None
    group.close()
    if bad + worse > 0:
        return 1
    return 0 if calls == replays == args.calls else FEWER


def run_case(args, case):
    import p2plab

    planner, servers_of = case.split(":")
    ranks = 2 * int(servers_of)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        table = table_of(args.program, planner, int(servers_of), folder)
        meeting = p2plab.unique_id().hex()
        started = []
        for rank in range(ranks):
            more = ["--planner", planner, "--table", table, "--servers-of", servers_of]
            started.append(start_on_server(rank * 2 // ranks, rank, more, P2PLAB_TEST_ID=meeting, P2PLAB_DEADLINE="20"))
        codes = codes_of(started, begun + args.seconds + 60)
    found = "right" if not any(codes) else "right, but not all calls in time" if set(codes) <= {0, FEWER} else f"FAILED {codes}"
    print(f"{planner}, 2 servers of {servers_of}: {found}, {time.time() - begun:.1f} s", flush=True)
    return any(codes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/release/experiments/p2plab")
    parser.add_argument("--cases", default="ring:1,forest:1,hierarchical:2,ring:2,forest:2")
    parser.add_argument("--calls", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=60, help="of each case at most, half of it for replays")
    parser.add_argument("--planner", help=argparse.SUPPRESS)
    parser.add_argument("--table", help=argparse.SUPPRESS)
    parser.add_argument("--servers-of", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if cannot_run():
        return SKIP
    if "RANK" in os.environ:
        return one_rank(args)
    failed = [case for case in args.cases.split(",") if run_case(args, case)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
