# SPDX-License-Identifier: Apache-2.0
"""One order of sums on real GPUs: an element's bits hang on nothing but the ranks' elements. Random cases (type, size, place in a batch, alignment of
input and output, in place or not) in CUDA graphs on fresh data, and some eager ones, each compared bit by bit with the sum in the ranks' order.

    python3 one_order.py --ranks 4 [--cases 1000000] [--seed 1]          77: cannot run here, with the reason

One process; with fewer GPUs than ranks, ranks share them. Of two ranks both orders are one, so take three or more.
"""
import argparse
import os
import random
import sys
import time

SKIP = 77
BATCH = 1 << 21  # elements of a rank's data, of which cases take parts
BITS = {"float32": "int32", "float16": "int16", "bfloat16": "int16"}


class Rank:
    """A rank's data, outputs, and the sums as they should be."""

    def __init__(self, torch, group, ranks, dtype):
        self.torch, self.group, self.ranks, self.dtype = torch, group, ranks, dtype
        self.device = torch.device("cuda", group.device)
        self.stream = torch.cuda.Stream(self.device)
        make = lambda kind: torch.zeros(BATCH + 64, dtype=kind, device=self.device)
        self.x, self.y, self.z, self.want = (make(dtype) for _ in range(4))
        self.bad = torch.zeros(1, dtype=torch.int64, device=self.device)

    def fresh(self, seed):
        torch = self.torch
        total = None
        for rank in range(self.ranks):
            made = torch.Generator(device=self.device).manual_seed(seed * 64 + rank)
            data = torch.randn(self.x.numel(), generator=made, device=self.device).to(self.dtype)
            data *= 2.0 ** (rank - 1)  # so that the order is seen in the last bits
            total = data.float() if total is None else total + data.float()
            if rank == self.group.rank:
                self.x.copy_(data)
        self.want.copy_(total.to(self.dtype))
        self.z.copy_(self.x)

    def place(self, case):
        """Elements [first, first + count) of the batch; the output lies `shift` elements further. In place it is the copy z of the data."""
        first, count, shift, in_place = case
        source = (self.z if in_place else self.x)[first:first + count]
        return source, source if in_place else self.y[first + shift:first + shift + count]

    def call(self, case, stream):
        source, out = self.place(case)
        if case[3]:
            source.copy_(self.x[case[0]:case[0] + case[1]])
        self.group.run("all_reduce", source.data_ptr(), out.data_ptr(), case[1], str(self.dtype).removeprefix("torch."), stream)

    def compare(self, case):
        _, out = self.place(case)
        want, bits = self.want[case[0]:case[0] + case[1]], getattr(self.torch, BITS[str(self.dtype).removeprefix("torch.")])
        same = (out.view(bits) == want.view(bits)) | ((out == 0) & (want == 0))  # the sign of zero is free
        self.bad += same.logical_not().sum()


def random_case(made, sizes):
    count = made.choice(sizes)
    return made.randrange(0, BATCH - count), count, made.choice((0, 0, 1, 3, 8)), made.random() < 0.25


def capture(torch, rank, cases):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=rank.stream, capture_error_mode="relaxed"):
        for case in cases:
            rank.call(case, torch.cuda.current_stream().cuda_stream)
            rank.compare(case)
    return graph


def synchronize(torch):
    for device in range(torch.cuda.device_count()):
        torch.cuda.synchronize(device)


def of_type(torch, p2plab, args, dtype, cases_wanted):
    made = random.Random(f"{args.seed} {dtype}")
    name = str(dtype).removeprefix("torch.")
    devices = [r % torch.cuda.device_count() for r in range(args.ranks)]
    groups = p2plab.Group.all(devices, prepare=f"all_reduce:{name}:sum:1KiB-8MiB", order="fixed", load_nccl=0)
    ranks = [Rank(torch, group, args.ranks, dtype) for group in groups]
    sizes = sorted({int(2 ** made.uniform(0, 20)) for _ in range(48)})
    each, done, replays = 200, 0, 0
    eager = [random_case(made, sizes) for _ in range(200)]
    for rank in ranks:
        rank.fresh(0)
        rank.compare((0, 1, 0, True))  # PyTorch's kernels are loaded when they are first launched, which may wait for ours
        rank.bad.zero_()
    synchronize(torch)
    for case in eager:
        for step in (lambda rank: rank.call(case, rank.stream.cuda_stream), lambda rank: rank.compare(case)):
            for rank in ranks:
                with torch.cuda.stream(rank.stream):
                    step(rank)
    synchronize(torch)
    for group in groups:
        group.check()
    sets = [[random_case(made, sizes) for _ in range(each)] for _ in range(8)]
    graphs = [[capture(torch, rank, cases) for rank in ranks] for cases in sets]
    while done < cases_wanted:
        for rank in ranks:
            rank.fresh(1 + replays)
        synchronize(torch)
        for graph in graphs:
            for rank, one in zip(ranks, graph):
                with torch.cuda.stream(rank.stream):
                    one.replay()
            done += each
        synchronize(torch)
        for group in groups:
            group.check()
        replays += 1
    wrong = sum(int(rank.bad.item()) for rank in ranks)
    print(f"{name}: {done} cases in graphs on {replays} batches of data and {len(eager)} eager ones, {len(sizes)} sizes, {args.ranks} ranks on "
          f"{torch.cuda.device_count()} GPUs: {wrong} elements with other bits; {groups[0].explain('all_reduce', 1000, name)}", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--cases", type=int, default=30000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        import torch
    except ModuleNotFoundError:
        print("skipped: no PyTorch for this Python")
        return SKIP
    if not torch.cuda.is_available():
        print("skipped: no GPU")
        return SKIP
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../kernels/python"))
    import p2plab

    begun = time.time()
    wrong = sum(of_type(torch, p2plab, args, dtype, args.cases // 3) for dtype in (torch.float32, torch.bfloat16, torch.float16))
    print(f"{time.time() - begun:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
