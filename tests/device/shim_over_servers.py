# SPDX-License-Identifier: Apache-2.0
"""torch.distributed unchanged, its ranks on several servers (NCCL_HOSTID tells GPUs of one machine apart): NCCL alone and under the shim, in turns.

    python3 shim_over_servers.py --ranks 2 --shim DIR [--tuned TABLE] [--sizes 1024,...] [--seconds 100]        77: cannot run here, with the reason

Each all-reduce is checked on fresh data, called by itself and in a graph; then times of graph replays, in us, the slowest rank's median. Under the shim
nothing may take more than 5 % and 1 us longer than NCCL alone, whoever serves it.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SKIP = 77
SIZES = ",".join(str(1 << k) for k in range(10, 25, 2))
CALLS = 20  # in a graph


def sizes_of(args):
    return [int(size) for size in args.sizes.split(",")]


def work(rank, ranks, out, sizes):
    import torch
    import torch.distributed as dist

    device = torch.device("cuda", rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    store = dist.TCPStore("127.0.0.1", int(os.environ["MASTER_PORT"]), ranks, rank == 0)
    dist.init_process_group("nccl", store=store, rank=rank, world_size=ranks, device_id=device)
    wrong, times = [], {}
    for size in sizes:
        count = size // 2
        x = torch.empty(count, device=device, dtype=torch.float16)

        def fill(step):
            base = torch.arange(count, device=device) % 61
            x.copy_(base + step + rank)
            return (base.float() * ranks + step * ranks + ranks * (ranks - 1) // 2).to(torch.float16)

        for step in range(60):  # while a program is made and agreed on
            want = fill(step)
            dist.all_reduce(x)
            if not torch.equal(x, want):
                wrong.append(f"{size} B, call {step}: {x[:4].tolist()}, not {want[:4].tolist()}")
            time.sleep(0.02)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            dist.all_reduce(x)
        for step in range(5):
            want = fill(step)
            graph.replay()
            if not torch.equal(x, want):
                wrong.append(f"{size} B, replay {step}: {x[:4].tolist()}, not {want[:4].tolist()}")
        many = torch.cuda.CUDAGraph()
        x.zero_()
        with torch.cuda.graph(many):
            for _ in range(CALLS):
                dist.all_reduce(x)
        samples = []
        for _ in range(9):
            dist.barrier()
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            many.replay()
            end.record()
            end.synchronize()
            samples.append(begin.elapsed_time(end) * 1000 / CALLS)
        times[size] = statistics.median(samples[2:])
        del graph, many
    said = ""
    if os.environ.get("LD_PRELOAD"):
        shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        shim.p2plab_nccl_counts.restype = ctypes.c_char_p
        said = f"rank {rank}: {shim.p2plab_nccl_counts().decode()}"
    with open(out, "w") as file:
        json.dump({"wrong": wrong, "times": times, "said": said}, file)
    dist.barrier()
    torch.cuda.synchronize()
    os._exit(0)  # graphs hold the communicator, and destroying that waits for them


def job(args, shim, port):
    """All ranks once; the slowest rank's times by size, what was wrong, and what the shim says that it served."""
    with tempfile.TemporaryDirectory() as folder:
        ranks = []
        for rank in range(args.ranks):
            env = dict(os.environ, NCCL_NVLS_ENABLE="0", NCCL_HOSTID=f"server{rank * args.servers // args.ranks}", MASTER_PORT=str(port))
            env.setdefault("NCCL_SOCKET_IFNAME", "lo")
            if shim:
                env.update(LD_PRELOAD=f"{args.shim}/libp2plab-nccl.so", P2PLAB_WAIT="60", P2PLAB_INTERFACE="lo")
                if args.tuned:
                    env["P2PLAB_TUNED"] = args.tuned
            words = [sys.executable, __file__, "--rank", str(rank), "--ranks", str(args.ranks), "--out", f"{folder}/{rank}", "--sizes", args.sizes]
            ranks.append(subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        texts = []
        for process in ranks:
            try:
                texts.append(process.communicate(timeout=args.limit)[0])
            except subprocess.TimeoutExpired:
                for each in ranks:
                    each.kill()
                raise SystemExit(f"FAILED: ranks did not end within {args.limit} s")
        if any(process.returncode for process in ranks):
            raise SystemExit("FAILED: " + "\n".join(text[-600:] for text in texts))
        results = [json.load(open(f"{folder}/{rank}")) for rank in range(args.ranks)]
    times = {size: max(result["times"][str(size)] for result in results) for size in sizes_of(args)}
    said = [line for line in "\n".join(texts).splitlines() if line.startswith("p2plab")]
    return times, [text for result in results for text in result["wrong"]], said + [result["said"] for result in results]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--shim", help="the folder of libp2plab-nccl.so and libp2plab.so.1")
    parser.add_argument("--tuned", help="a table of `p2plab tune --launched`")
    parser.add_argument("--sizes", default=SIZES, help="bytes, separated by commas")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--rank", type=int)
    parser.add_argument("--out")
    args = parser.parse_args()
    if args.rank is not None:
        return work(args.rank, args.ranks, args.out, sizes_of(args))
    try:
        import torch
    except ImportError:
        print("skipped: no PyTorch")
        return SKIP
    if torch.cuda.device_count() < args.ranks:
        print(f"skipped: {torch.cuda.device_count()} GPUs for {args.ranks} ranks")
        return SKIP
    begun = time.monotonic()
    alone, under, failed, port = {}, {}, False, 23000 + os.getpid() % 9000
    turn = 0
    while turn == 0 or (turn < args.turns and time.monotonic() - begun < args.seconds * turn / (turn + 1)):
        for shim, into in ((False, alone), (True, under)):
            port += 1
            times, wrong, said = job(args, shim, port)
            failed = failed or bool(wrong)
            for text in wrong[:5]:
                print("WRONG:", "under the shim," if shim else "NCCL alone,", text)
            if turn == 0 and shim:
                print("\n".join(said))
            for size, one in times.items():
                into[size] = min(one, into.get(size, one))
            print(f"turn {turn}, {'under the shim' if shim else 'NCCL alone   '}:", " ".join(f"{size}:{one:.1f}" for size, one in times.items()), flush=True)
        turn += 1
    print("size, NCCL alone us, under the shim us, ratio")
    for size in sizes_of(args):
        late = under[size] > alone[size] * 1.05 + 1
        failed = failed or late
        print(f"{size},{alone[size]:.1f},{under[size]:.1f},{alone[size] / under[size]:.2f}{'  SLOWER' if late else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
