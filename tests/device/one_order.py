# SPDX-License-Identifier: Apache-2.0
"""P2PLAB_ORDER=fixed on real GPUs: any piece of a tensor, at any place and alignment, in graphs and eager, is summed to the same bits.

    python3 one_order.py --ranks 2 [--cases 10000] [--seed 1]          77: cannot run here, with the reason

Every rank draws the same random cases: where in the data a call begins, how long it is, how its input and output are aligned, whether it is in place.
What is right is computed apart: float32 sums of the ranks in their order, rounded once. Four of five cases are captured, 200 calls a graph, and each
graph is replayed four times, each time with fresh data. One process a rank; with fewer GPUs than ranks, ranks share one.
"""
import argparse
import os
import random
import sys
import time

from on_gpus import SKIP, cannot_run, start

TYPES = ("bfloat16", "float16", "float32")
CALLS, REPLAYS = 200, 4


class Cases:
    """One rank's data of one type, and calls on pieces of it."""

    def __init__(self, torch, group, dtype, most):
        self.torch, self.group, self.most = torch, group, most
        self.name = str(dtype).removeprefix("torch.")
        self.device = torch.device("cuda", group.device)
        self.source = torch.empty(most, dtype=dtype, device=self.device)
        self.right = torch.empty_like(self.source)
        self.memory = torch.empty(2, most + 8, dtype=dtype, device=self.device)
        self.bad = torch.zeros((), dtype=torch.int64, device=self.device)
        self.seed = 0

    def fresh(self):
        """New data for all ranks, which each of them can draw, and the sums."""
        torch, total = self.torch, None
        self.seed += 1
        for r in range(self.group.ranks):
            draw = torch.Generator(device=self.device).manual_seed(self.seed * 64 + r)
            x = torch.randn(self.most, device=self.device, generator=draw).to(self.source.dtype)
            if r == self.group.rank:
                self.source.copy_(x)
            total = x.float() if total is None else total + x.float()
        self.right.copy_(total)

    def call(self, case):
        begin, count, shift_in, shift_out, in_place = case
        torch = self.torch
        x, y = self.memory[0][shift_in:shift_in + count], self.memory[1][shift_out:shift_out + count]
        x.copy_(self.source[begin:begin + count])
        out = x if in_place else y
        self.group.run("all_reduce", x.data_ptr(), out.data_ptr(), count, self.name, torch.cuda.current_stream().cuda_stream)
        self.bad += (out != self.right[begin:begin + count]).sum()


def drawn(draw, most):
    count = min(most, int(2 ** draw.uniform(0, most.bit_length())))
    return draw.randrange(most - count + 1), count, draw.randrange(8), draw.randrange(8), draw.random() < 0.3


def one_rank(args, group):
    import torch

    torch.cuda.set_device(group.device)
    draw = random.Random(args.seed)
    kept = [Cases(torch, group, dtype, (1 << 20) // dtype.itemsize) for dtype in (getattr(torch, name) for name in TYPES)]
    stream = torch.cuda.Stream()
    begun, done, captured, said = time.time(), 0, 0, args.cases / 10
    with torch.cuda.stream(stream):
        while done < args.cases:
            cases = draw.choice(kept)
            if draw.random() < 0.5:
                cases.fresh()
                for _ in range(CALLS):
                    cases.call(drawn(draw, cases.most))
                done += CALLS
            else:
                graph = torch.cuda.CUDAGraph()
                stream.synchronize()
                with torch.cuda.graph(graph, stream=stream, capture_error_mode="relaxed"):
                    for _ in range(CALLS):
                        cases.call(drawn(draw, cases.most))
                for _ in range(REPLAYS):
                    cases.fresh()
                    graph.replay()
                done += REPLAYS * CALLS
                captured += REPLAYS * CALLS
            stream.synchronize()
            group.check()
            if done >= said:
                said += args.cases / 10
                print(f"rank {group.rank} of {group.ranks}: {done} cases, {captured} of them in graphs; {sum(int(c.bad.item()) for c in kept)} elements "
                      f"have other bits; {time.time() - begun:.1f} s", flush=True)
    return 1 if any(int(c.bad.item()) for c in kept) else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--cases", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if cannot_run():
        return SKIP
    import p2plab
    import torch

    if "RANK" not in os.environ:
        meeting = p2plab.unique_id().hex()
        started = [start(r, P2PLAB_TEST_ID=meeting) for r in range(args.ranks)]
        return max(abs(process.wait()) for process in started)
    rank = int(os.environ["RANK"])
    group = p2plab.Group(rank, args.ranks, bytes.fromhex(os.environ["P2PLAB_TEST_ID"]), rank % torch.cuda.device_count(), order="fixed", load_nccl=0,
                         prepare=",".join(f"all_reduce:{name}:sum:1KiB-1MiB" for name in TYPES))
    result = one_rank(args, group)
    group.close()
    return result


if __name__ == "__main__":
    sys.exit(main())
