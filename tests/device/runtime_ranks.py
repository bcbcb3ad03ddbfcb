# SPDX-License-Identifier: Apache-2.0
"""libp2plab on real GPUs, by its Python package: every collective, many counts, any alignment, in place, in CUDA graphs; one process a rank, or all in one.

    python3 runtime_ranks.py --ranks 3 [--one-process] [--backend p2p|host] [--quick]          77: cannot run here, with the reason
    python3 runtime_ranks.py --ranks 2 --servers 2 --calls 10000    ranks as several servers: NCCL between them, over sockets of this machine

With fewer GPUs than ranks, ranks share one: data and order are tested, not speed. Values are small whole numbers, so sums are exact in every type.
"""
import argparse
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

SKIP = 77
one_at_a_time = threading.Lock()  # PyTorch's captures


def inputs(torch, kind, rank, count, ranks, dtype, seed, device):
    size = count * ranks if kind in ("reduce_scatter", "all_to_all", "scatter") else count
    made = torch.Generator(device="cpu").manual_seed(seed * 1000 + rank)
    return torch.randint(-3, 4, (size,), generator=made).to(dtype).to(device)


def wanted(torch, kind, rank, root, all_inputs, count, op):
    ranks = len(all_inputs)
    wide = [x.to(torch.float64) for x in all_inputs]
    if kind in ("all_reduce", "reduce", "reduce_scatter"):
        stacked = torch.stack(wide)
        total = {"sum": lambda t: t.sum(0), "max": lambda t: t.amax(0), "min": lambda t: t.amin(0), "product": lambda t: t.prod(0),
                 "average": lambda t: t.mean(0)}[op](stacked)
        if kind == "reduce_scatter":
            return total[rank * count:(rank + 1) * count]
        return total if kind == "all_reduce" or rank == root else None
    if kind == "all_gather" or kind == "gather":
        return torch.cat(wide) if kind == "all_gather" or rank == root else None
    if kind == "broadcast":
        return wide[root]
    if kind == "scatter":
        return wide[root][rank * count:(rank + 1) * count]
    return torch.cat([x[rank * count:(rank + 1) * count] for x in wide])


class Rank:
    """One rank: its buffers lie `shift` elements behind an aligned address, between guards that must not change."""

    def __init__(self, torch, group):
        self.torch, self.group = torch, group
        self.device = torch.device("cuda", group.device)
        self.stream = torch.cuda.Stream(self.device)
        self.wrong = []

    def case(self, kind, count, dtype, op, root, shift, in_place, seed):
        torch, rank, ranks = self.torch, self.group.rank, self.group.ranks
        every = [inputs(torch, kind, r, count, ranks, dtype, seed, self.device) for r in range(ranks)]
        want = wanted(torch, kind, rank, root, every, count, op)
        mine, out_size = every[rank], 0 if want is None else want.numel()
        guard, poison = 64, 7
        memory = torch.full((max(mine.numel(), out_size) + shift + 2 * guard,), poison, dtype=dtype, device=self.device)
        out = memory[guard + shift:guard + shift + out_size]
        send = mine
        if in_place and kind in ("all_reduce", "broadcast", "reduce"):
            send = memory[guard + shift:guard + shift + mine.numel()]
            send.copy_(mine)
            out = send
        elif in_place and kind == "all_gather":
            send = out[rank * count:(rank + 1) * count]
            send.copy_(mine)
        elif shift:
            send = torch.zeros(mine.numel() + shift, dtype=dtype, device=self.device)[shift:]
            send.copy_(mine)
        torch.cuda.current_stream(self.device).synchronize()
        name = str(dtype).removeprefix("torch.")
        receive = 0 if out_size == 0 else out.data_ptr()
        self.group.run(kind, send.data_ptr(), receive, count, name, self.stream.cuda_stream, op, root)
        self.pending = (want, out, memory, guard + shift, max(out.numel(), out_size), poison, (kind, count, name, op, root, shift, in_place), (send, mine))

    def check(self):
        torch = self.torch
        self.stream.synchronize()
        want, out, memory, first, size, poison, name, _ = self.pending
        self.group.check()
        if want is not None:
            bad = (out[:want.numel()].to(torch.float64) - want).abs().max().item() if want.numel() else 0.0
            tolerance = 0.02 * max(1.0, want.abs().max().item() if want.numel() else 0.0) if name[3] == "average" else 0.0
            if not bad <= tolerance:
                self.wrong.append((name, f"off by {bad}"))
        around = torch.cat([memory[:first], memory[first + size:]])
        if not (around == poison).all():
            self.wrong.append((name, "memory around the buffer was written"))


def cases(torch, ranks, quick):
    counts = [1, 7, 1000, 4096, 100003] if quick else [1, 3, 7, 64, 1000, 4096, 30011, 100003, 1 << 20, 3000001]
    kinds = ["all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "gather", "scatter", "all_to_all"]
    types = [torch.bfloat16, torch.float32] if quick else [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int32, torch.int64]
    seed = 0
    for count in counts:
        for kind in kinds:
            for dtype in types if kind == "all_reduce" and count <= 4096 else [torch.bfloat16]:
                ops = ["sum", "max", "average"] if kind == "all_reduce" and dtype is torch.float32 and count <= 1000 else ["sum"]
                for op in ops:
                    for shift, in_place in ((0, False), (1, False), (0, True)):
                        seed += 1
                        yield kind, count, dtype, op, (seed % ranks) if kind in ("broadcast", "reduce", "gather", "scatter") else 0, shift, in_place, seed


def repeated(torch, ranks, quick, calls):
    """All cases, or so many, with new data each time round; those of the first rounds are short, so that many fit into the time."""
    done = 0
    for round in itertools.count():
        for *case, seed in cases(torch, ranks, quick or calls > 0):
            yield *case, seed + 100000 * round
            done += 1
            if calls and done == calls:
                return
        if not calls:
            return


def captured(torch, rank):
    """Three calls in one graph: as the program needs them; shorter ones at an odd address, which are copied; in place."""
    group = rank.group
    x = torch.zeros(4096, dtype=torch.bfloat16, device=rank.device)
    y, z, w = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=rank.stream, capture_error_mode="relaxed"):
        stream = torch.cuda.current_stream().cuda_stream
        group.run("all_reduce", x.data_ptr(), y.data_ptr(), 4096, "bfloat16", stream)
        group.run("all_reduce", x[1:].data_ptr(), z[1:].data_ptr(), 4001, "bfloat16", stream)
        w.copy_(x)
        group.run("all_reduce", w.data_ptr(), w.data_ptr(), 4096, "bfloat16", stream)
    return graph, x, (y, z[1:4002], w)


def one_rank(args, rank, made, phase):
    import torch

    me = Rank(torch, made)
    torch.cuda.set_device(me.device)
    done = 0
    begun = time.time()
    for case in repeated(torch, made.ranks, args.quick, args.calls):
        me.case(*case)
        me.check()
        done += 1
        if me.wrong or time.time() - begun > args.limit:
            break
    text = f"rank {rank}: {done} cases, {len(me.wrong)} wrong, {time.time() - begun:.1f} s"
    for name, why in me.wrong[:5]:
        text += f"\n  {name}: {why}"
    if not me.wrong:
        made.prepare("all_reduce", 4096, "bfloat16")
        with one_at_a_time:
            graph, x, outputs = captured(torch, me)
        phase()  # PyTorch begins a capture by waiting for the whole GPU, so nobody may replay before all have captured
        bad = 0
        for round in range(20):
            with torch.cuda.stream(me.stream):
                x.fill_(float(made.rank + round % 3))
                graph.replay()
            me.stream.synchronize()
            want = sum(r + round % 3 for r in range(made.ranks))
            bad += sum(int((y.float() - want).abs().max().item() > 0.01 * want + 1e-6) for y in outputs)
            made.check()
        text += f"; graph replays wrong: {bad}; {made.explain('all_reduce', 4096, 'bfloat16')}"
        if bad:
            me.wrong.append(("graph", "wrong"))
    print(text, flush=True)
    return 1 if me.wrong else 0


def lose_one(torch, group):
    """The last rank is killed amid calls; the others hear of it, by its number, and nothing hangs."""
    x = torch.ones(4096, dtype=torch.bfloat16, device=f"cuda:{group.device}")
    stream = torch.cuda.Stream()
    begun = time.time()
    while time.time() - begun < 30:
        if group.rank == group.ranks - 1 and time.time() - begun > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            group.run("all_reduce", x.data_ptr(), x.data_ptr(), x.numel(), "bfloat16", stream.cuda_stream)
            stream.synchronize()
            group.check()
        except RuntimeError as error:
            print(f"rank {group.rank}: {time.time() - begun - 1:.2f} s after the loss: {error}", flush=True)
            os._exit(0 if f"rank {group.ranks - 1}" in str(error) else 1)
    print(f"rank {group.rank}: no word of the loss", flush=True)
    os._exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--one-process", action="store_true")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--lose", action="store_true", help="kill the last rank amid calls")
    parser.add_argument("--servers", type=int, default=1, help="tell NCCL and p2plab that the ranks are on so many servers, in blocks")
    parser.add_argument("--calls", type=int, default=0, help="so many calls, each with fresh data; 0: each case once")
    parser.add_argument("--limit", type=float, default=60)
    args = parser.parse_args()
    try:
        import torch
    except ModuleNotFoundError:
        print("skipped: no PyTorch for this Python")
        return SKIP
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../kernels/python"))
    import p2plab

    settings = {"prepare": "all_reduce:bfloat16:sum:1KiB-64KiB", "backend": args.backend, "load_nccl": int(args.servers > 1)}
    if args.servers > 1 and torch.cuda.is_available():  # NCCL's kernels may run beside ours, and ranks of several servers on one GPU
        settings["concurrent"] = 2 * -(-args.ranks // torch.cuda.device_count())
    if "RANK" in os.environ:
        rank = int(os.environ["RANK"])
        group = p2plab.Group(rank, args.ranks, bytes.fromhex(os.environ["P2PLAB_TEST_ID"]), rank % torch.cuda.device_count(), **settings)
        if args.lose:
            torch.cuda.set_device(group.device)
            lose_one(torch, group)
        result = one_rank(args, rank, group, lambda: None)
        group.close()
        return result
    if not torch.cuda.is_available():
        print("skipped: PyTorch finds no GPU")
        return SKIP
    if args.one_process:
        groups = p2plab.Group.all([r % torch.cuda.device_count() for r in range(args.ranks)], **settings)
        results = [None] * args.ranks
        phase = threading.Barrier(args.ranks, timeout=120).wait
        threads = [threading.Thread(target=lambda r=r: results.__setitem__(r, one_rank(args, r, groups[r], phase))) for r in range(args.ranks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for group in groups:
            group.close()
        return 0 if results == [0] * args.ranks else 1
    meeting = p2plab.unique_id().hex()
    several = {"NCCL_SOCKET_IFNAME": os.environ.get("NCCL_SOCKET_IFNAME", "lo"), "NCCL_NVLS_ENABLE": "0"} if args.servers > 1 else {}
    started = []
    for r in range(args.ranks):
        server = {"NCCL_HOSTID": f"server{r * args.servers // args.ranks}"} if args.servers > 1 else {}
        started.append(subprocess.Popen([sys.executable, *sys.argv], env=dict(os.environ, RANK=str(r), P2PLAB_TEST_ID=meeting, **several, **server)))
    codes = [process.wait() for process in started]
    if args.lose:
        return 0 if codes == [0] * (args.ranks - 1) + [-signal.SIGKILL] else 1
    return max(abs(code) for code in codes)


if __name__ == "__main__":
    sys.exit(main())
