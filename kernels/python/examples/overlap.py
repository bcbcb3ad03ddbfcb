# SPDX-License-Identifier: Apache-2.0
"""A matrix product by Triton that works on rows of an all-reduce while the next ones are on their way.

    python3 overlap.py [--ranks 2] [--rows 4096] [--chunks 8] [--blocks 16]

All ranks are in this process, on as many GPUs as there are. The product's programs wait for the words that p2plab raises (p2plab_chunks in p2plab.h)
and leave `--blocks` multiprocessors a rank to the calls. Prints what is right, and microseconds one after the other and at the same time.
"""
import argparse

import p2plab
import torch
import triton
import triton.language as tl

TILE_M, TILE_N, TILE_K = 128, 128, 64


@triton.jit
def product(x, w, y, done, most_spins, wrong, rows, n: tl.constexpr, k: tl.constexpr, chunk_rows, waits: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
            K: tl.constexpr):
    """y = x w, tiles of rows in the order in which they come; every program takes the tiles that are its turn."""
    tiles_n: tl.constexpr = n // N
    for tile in range(tl.program_id(0), (rows // M) * tiles_n, tl.num_programs(0)):
        m, column = tile // tiles_n, tile % tiles_n
        if waits:
            # The last row of the tile is the last to come. A word is looked at by an atomic that changes nothing, and acquires.
            word = done + (m * M + M - 1) // chunk_rows
            spins = 0
            while (tl.atomic_add(word, 0, sem="acquire", scope="gpu") == 0) & (spins < most_spins):
                spins += 1
            if spins >= most_spins:
                tl.atomic_add(wrong, 1)
        a = x + (m * M + tl.arange(0, M))[:, None] * k + tl.arange(0, K)[None, :]
        b = w + tl.arange(0, K)[:, None] * n + (column * N + tl.arange(0, N))[None, :]
        sum = tl.zeros((M, N), dtype=tl.float32)
        for step in range(0, k, K):
            sum = tl.dot(tl.load(a + step), tl.load(b + step * n), sum)
        c = y + (m * M + tl.arange(0, M))[:, None] * n + (column * N + tl.arange(0, N))[None, :]
        tl.store(c, sum.to(tl.bfloat16))


class Rank:
    def __init__(self, group, device, rows, k, n, chunks):
        torch.cuda.set_device(device)
        self.group, self.device, self.chunks = group, device, chunks
        self.x = torch.randn(rows, k, device=device).to(torch.bfloat16)
        self.summed = torch.empty_like(self.x)
        self.w = (torch.randn(k, n, device=device) / k**0.5).to(torch.bfloat16)
        self.y = torch.empty(rows, n, dtype=torch.bfloat16, device=device)
        self.done = torch.zeros(chunks, dtype=torch.int32, device=device)
        self.wrong = torch.zeros(1, dtype=torch.int32, device=device)
        self.calls, self.products = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def multiply(self, programs, chunk_rows, waits):
        with torch.cuda.stream(self.products):
            product[(programs,)](self.x if chunk_rows == 0 else self.summed, self.w, self.y, self.done, 1 << 24, self.wrong, self.x.shape[0], self.w.shape[1],
                                 self.w.shape[0], max(chunk_rows, 1), waits, TILE_M, TILE_N, TILE_K, num_warps=8, num_stages=3)

    def call(self, in_chunks):
        count = self.x.numel()
        if in_chunks:
            self.group.run_in_chunks(self.x.data_ptr(), self.summed.data_ptr(), count, "bfloat16", self.calls.cuda_stream, self.chunks,
                                     done=self.done.data_ptr())
        else:
            self.group.run("all_reduce", self.x.data_ptr(), self.summed.data_ptr(), count, "bfloat16", self.calls.cuda_stream)


def timed(ranks, body, rounds=12):
    """The median of the slowest rank's microseconds, from before the first of its kernels to behind the last one."""
    times = []
    for _ in range(rounds):
        for rank in ranks:
            torch.cuda.set_device(rank.device)
            rank.done.zero_()
            torch.cuda.synchronize(rank.device)
        marks = []
        for rank in ranks:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            torch.cuda.set_device(rank.device)
            begin.record(rank.calls)
            rank.products.wait_event(begin)
            marks.append((rank, begin, end))
        for rank in ranks:
            torch.cuda.set_device(rank.device)
            body(rank)
        for rank, _, end in marks:
            rank.products.wait_stream(rank.calls)
            end.record(rank.products)
        for rank in ranks:
            torch.cuda.synchronize(rank.device)
        times.append(max(begin.elapsed_time(end) for _, begin, end in marks) * 1000)
    return sorted(times[2:])[(rounds - 2) // 2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--k", type=int, default=4096)
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=16, help="multiprocessors that a rank's calls may have")
    args = parser.parse_args()
    devices = [r % torch.cuda.device_count() for r in range(args.ranks)]
    groups = p2plab.Group.all(devices, prepare="", load_nccl=0, most_blocks=args.blocks)
    free = p2plab.Group.all(devices, prepare="", load_nccl=0)
    ranks = [Rank(group, device, args.rows, args.k, args.n, args.chunks) for group, device in zip(groups, devices)]
    count = ranks[0].x.numel()
    chunk_rows = groups[0].prepare_chunks(count, "bfloat16", args.chunks) // args.k
    for group in (groups[0], free[0]):
        group.prepare("all_reduce", count, "bfloat16")
    processors = torch.cuda.get_device_properties(0).multi_processor_count
    shared = -(-args.ranks // torch.cuda.device_count())
    programs = processors // shared - args.blocks
    for rank in ranks:  # both forms are compiled before anything waits for them
        rank.done.fill_(1)
        rank.multiply(programs, 0, False)
        rank.call(False) if args.ranks == 1 else None
    for rank in ranks:
        rank.call(True)
    for rank in ranks:
        torch.cuda.synchronize(rank.device)
        rank.multiply(programs, chunk_rows, True)
        torch.cuda.synchronize(rank.device)

    def call_with(group_list):
        def body(rank):
            rank.group = group_list[ranks.index(rank)]
            rank.call(False)
        return body

    def one_after_another(rank):
        rank.group = free[ranks.index(rank)]
        rank.call(False)
        rank.products.wait_stream(rank.calls)
        rank.multiply(processors // shared, chunk_rows, False)

    def at_the_same_time(rank):
        rank.group = groups[ranks.index(rank)]
        rank.multiply(programs, chunk_rows, True)
        rank.call(True)

    print(f"{args.ranks} ranks on {torch.cuda.device_count()} GPUs: [{args.rows}, {args.k}] x [{args.k}, {args.n}], {args.chunks} chunks of {chunk_rows} rows")
    print(f"all-reduce alone, as fast as it is: {timed(ranks, call_with(free)):.1f} us; with {args.blocks} blocks: {timed(ranks, call_with(groups)):.1f} us; "
          f"with {args.blocks} in chunks: {timed(ranks, lambda rank: rank.call(True)):.1f} us")
    print(f"product alone, on all of a rank's multiprocessors: {timed(ranks, lambda rank: rank.multiply(processors // shared, chunk_rows, False)):.1f} us; "
          f"on {programs}: {timed(ranks, lambda rank: rank.multiply(programs, chunk_rows, False)):.1f} us")
    print(f"one after the other: {timed(ranks, one_after_another):.1f} us")
    print(f"at the same time: {timed(ranks, at_the_same_time):.1f} us")
    total = sum(rank.x.float().to("cuda:0") for rank in ranks).to(torch.bfloat16)
    for rank in ranks:
        wanted = total.to(rank.device).float() @ rank.w.float()
        error = ((rank.y.float() - wanted).norm() / wanted.norm()).item()
        print(f"rank {ranks.index(rank)}: relative error {error:.2e}, programs that gave up {rank.wrong.item()}")
        if not error < 1e-2 or rank.wrong.item() != 0:
            raise SystemExit("wrong")
    for group in groups + free:
        group.close()


if __name__ == "__main__":
    main()
