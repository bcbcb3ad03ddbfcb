# SPDX-License-Identifier: Apache-2.0
"""All-reduces with an epilogue on real GPUs, by the Python package: types, norms, float8, odd rows, graphs; all ranks in one process.

    python3 fused_ranks.py --ranks 2 [--quick] [--seconds 20] [--time]          77: cannot run here, with the reason

With fewer GPUs than ranks, ranks share one: data is tested, not speed. Values are small whole numbers, so sums are exact in every type. `--time` adds,
for one rank, the epilogue beside PyTorch's separate kernels, and for all ranks the fused call beside the plain all-reduce.
"""
import argparse
import copy
import functools
import os
import random
import sys
import time

SKIP = 77
UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-22}


def shapes(quick):
    yield from ((3, 4096), (5, 1000), (6, 6144), (7, 77), (300, 4096))
    if not quick:
        yield from ((1, 8192), (32, 8192), (138, 6144), (1, 8), (2, 40000))


def epilogues():
    yield {"norm": "rms"}
    yield {"norm": "layer", "bias": True}
    yield {"norm": "rms", "float8": "token", "normed": False}
    yield {"norm": "rms", "float8": "group", "normed": True}
    yield {"norm": "rms", "float8": "tensor", "normed": False}
    yield {"norm": "none", "float8": "token", "weight": False, "normed": False}


def gpu_of(torch, rank):
    return torch.device("cuda", rank % torch.cuda.device_count())


def synchronize(torch):
    for device in range(torch.cuda.device_count()):
        torch.cuda.synchronize(device)


class Case:
    """The tensors of one rank."""

    def __init__(self, torch, rank, shape, dtype, epilogue, seed):
        made = torch.Generator(device="cpu").manual_seed(seed * 100 + rank)
        device = gpu_of(torch, rank)
        whole = lambda *size: torch.randint(-3, 4, size, generator=made).to(dtype).to(device)
        self.x, self.residual = whole(*shape), whole(*shape)
        self.weight, self.bias = whole(shape[1]) + 0.5, whole(shape[1])
        self.sum, self.normed = torch.full_like(self.x, 7), torch.full_like(self.x, 7)
        self.quantised = torch.zeros(shape, dtype=torch.float8_e4m3fn, device=device)
        self.scales = torch.full((shape[0] * max(1, shape[1] // 128),), 0.25, dtype=torch.float32, device=device)
        self.epilogue = epilogue

    def words(self, shape):
        epilogue = self.epilogue
        given = {"hidden": shape[1], "norm": epilogue["norm"], "float8": epilogue.get("float8"), "epsilon": 1e-5, "residual": self.residual.data_ptr(),
                 "sum": self.sum.data_ptr()}
        if epilogue.get("weight", True):
            given["weight"] = self.weight.data_ptr()
        if epilogue.get("bias"):
            given["bias"] = self.bias.data_ptr()
        if epilogue.get("normed", True):
            given["normed"] = self.normed.data_ptr()
        if epilogue.get("float8"):
            given.update(quantised=self.quantised.data_ptr(), scales=self.scales.data_ptr())
        return given

    def wrong(self, torch, total):
        """What of the outputs is not what float64 says, as text; empty: all is right."""
        epilogue, kind = self.epilogue, str(self.x.dtype).removeprefix("torch.")
        unit = UNIT[kind]
        z = (total.to(self.x.device).float() + self.residual.float()).to(self.x.dtype)
        if not torch.equal(z, self.sum):
            return f"sum: {(z.double() - self.sum.double()).abs().max().item()}"
        z = z.double()
        y = z
        if epilogue["norm"] != "none":
            middle = z.mean(1, keepdim=True) if epilogue["norm"] == "layer" else 0.0
            y = (z - middle) / ((z - middle).pow(2).mean(1, keepdim=True) + 1e-5).sqrt()
            y = y * self.weight.double() if epilogue.get("weight", True) else y
            y = y + self.bias.double() if epilogue.get("bias") else y
        slack = y.abs() * unit + 2.0**-17 * (1 + self.weight.double().abs().max())
        if epilogue.get("normed", True):
            if not ((self.normed.double() - y).abs() <= slack).all():
                return f"normed: {(self.normed.double() - y).abs().max().item()}"
            y, slack = self.normed.double(), slack * 0
        if not epilogue.get("float8"):
            return ""
        rows, hidden = y.shape
        width = {"tensor": rows * hidden, "token": hidden, "group": 128}[epilogue["float8"]]
        blocks = y.reshape(-1, width)
        scales = self.scales[:blocks.shape[0]].double().unsqueeze(1)
        if epilogue["float8"] != "tensor":
            right = (blocks.abs().amax(1, keepdim=True) / 448).clamp(min=1 / (448 * 512))
            if not ((scales - right).abs() <= right * (2.0**-20 + 2 * unit)).all():
                return f"scales: {(scales - right).abs().max().item()}"
        wanted = (blocks / scales).clamp(-448, 448)
        found = self.quantised.float().double().reshape(-1, width)
        off = (found - wanted).abs() - wanted.abs() * (2.0**-4 + 2.0**-18) - 2.0**-10 - slack.reshape(-1, width) / scales
        return "" if (off <= 0).all() else f"float8: {off.max().item()}"


def prepare_all(groups, cases, shape, dtype):
    """For all ranks of the process. One thread calls for all ranks: code made amid the calls of one would keep the others waiting past their deadline."""
    groups[0].prepare_fused(cases[0].x.numel(), str(dtype).removeprefix("torch."), **cases[0].words(shape))


def run_all(torch, groups, streams, cases, shape, dtype):
    for group, stream, case in zip(groups, streams, cases):
        group.run_fused(case.x.data_ptr(), case.x.numel(), str(dtype).removeprefix("torch."), stream.cuda_stream, **case.words(shape))
    for stream in streams:
        stream.synchronize()
    for group in groups:
        group.check()


def cases_of(torch, quick):
    for shape in shapes(quick):
        for dtype in (torch.bfloat16, torch.float16, torch.float32):
            for epilogue in epilogues():
                if epilogue.get("float8") == "group" and shape[1] % 128 != 0:
                    continue
                if dtype is torch.bfloat16 or shape in ((3, 4096), (5, 1000)):
                    yield shape, dtype, epilogue


def check_data(torch, groups, streams, args):
    """How many cases were tried, of how many; and what of them was wrong."""
    wrong, done, all_cases = [], 0, list(cases_of(torch, args.quick))
    if args.seconds is not None:  # whatever there is time for is a bit of everything
        random.Random(1).shuffle(all_cases)
    until = time.monotonic() + (float("inf") if args.seconds is None else args.seconds)
    for shape, dtype, epilogue in all_cases:
        if time.monotonic() > until:
            break
        cases = [Case(torch, group.rank, shape, dtype, epilogue, done) for group in groups]
        synchronize(torch)
        total = torch.stack([case.x.double().cpu() for case in cases]).sum(0).to(dtype)
        prepare_all(groups, cases, shape, dtype)
        for _ in range(3):
            run_all(torch, groups, streams, cases, shape, dtype)
        for case in cases:
            if why := case.wrong(torch, total):
                wrong.append((shape, dtype, epilogue, why))
        done += 1
    return done, len(all_cases), wrong


def check_streams(torch, p2plab, groups, streams):
    """A stream of another GPU is refused before anything is put on it. Needs two GPUs."""
    if torch.cuda.device_count() == 1:
        print("streams of another GPU: skipped, there is one GPU", flush=True)
        return 0
    case = Case(torch, groups[0].rank, (3, 4096), torch.bfloat16, {"norm": "rms"}, 0)
    try:
        groups[0].run_fused(case.x.data_ptr(), case.x.numel(), "bfloat16", streams[1].cuda_stream, **case.words((3, 4096)))
    except p2plab.Error as error:
        return int("the stream is one of GPU 1, and this rank works on GPU 0" not in str(error))
    return 1


def check_rows_alone(torch, groups, streams):
    """A row has the same bits alone and among others."""
    epilogue, hidden = {"norm": "rms", "float8": "token", "normed": True}, 4096
    many = [Case(torch, group.rank, (6, hidden), torch.bfloat16, epilogue, 1) for group in groups]
    prepare_all(groups, many, (6, hidden), torch.bfloat16)
    run_all(torch, groups, streams, many, (6, hidden), torch.bfloat16)
    bad = 0
    for row in (0, 5):
        one = [Case(torch, group.rank, (1, hidden), torch.bfloat16, epilogue, 2) for group in groups]
        for alone, among in zip(one, many):
            alone.x, alone.residual, alone.weight = among.x[row:row + 1].clone(), among.residual[row:row + 1].clone(), among.weight
        synchronize(torch)
        prepare_all(groups, one, (1, hidden), torch.bfloat16)
        run_all(torch, groups, streams, one, (1, hidden), torch.bfloat16)
        for alone, among in zip(one, many):
            bad += int(not torch.equal(alone.normed[0].view(torch.int16), among.normed[row].view(torch.int16)))
            bad += int(not torch.equal(alone.quantised[0].view(torch.uint8), among.quantised[row].view(torch.uint8)))
    return bad


def check_graphs(torch, groups, streams):
    """Calls in graphs, replayed on new data, ten in a row before anybody looks."""
    shape, epilogue, graphs = (6, 6144), {"norm": "rms"}, []
    cases = [Case(torch, group.rank, shape, torch.bfloat16, epilogue, 3) for group in groups]
    for group, case in zip(groups, cases):
        group_words = case.words(shape)
        if group is groups[0]:
            group.prepare_fused(case.x.numel(), "bfloat16", **group_words)
    synchronize(torch)
    # Streams on which nothing was called before: the first call of many programs on one is in a capture.
    streams = [torch.cuda.Stream(gpu_of(torch, group.rank)) for group in groups]
    for group, stream, case in zip(groups, streams, cases):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="relaxed"):
            for _ in range(10):
                group.run_fused(case.x.data_ptr(), case.x.numel(), "bfloat16", torch.cuda.current_stream().cuda_stream, **case.words(shape))
        graphs.append(graph)
    bad = 0
    for round in range(5):
        for case in cases:
            case.x.add_(1 + round)
        synchronize(torch)
        total = torch.stack([case.x.double().cpu() for case in cases]).sum(0).to(torch.bfloat16)
        for graph, stream in zip(graphs, streams):
            with torch.cuda.stream(stream):
                graph.replay()
        for stream in streams:
            stream.synchronize()
        bad += sum(1 for case in cases if case.wrong(torch, total))
    return bad


def timed(torch, bodies, streams, calls=20, rounds=15):
    """Microseconds a call: graphs of `calls`, one a stream, replayed together; the median over rounds of the slowest stream."""
    graphs, rows = [], []
    for body, stream in zip(bodies, streams):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="relaxed"):
            for call in range(calls):
                body(call, torch.cuda.current_stream().cuda_stream)
        graphs.append(graph)
    for _ in range(rounds + 3):
        marks = []
        for graph, stream in zip(graphs, streams):
            with torch.cuda.stream(stream):
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                graph.replay()
                end.record()
                marks.append((begin, end))
        synchronize(torch)
        rows.append(max(begin.elapsed_time(end) for begin, end in marks) * 1000 / calls)
    return sorted(rows[3:])[rounds // 2]


def time_one_rank(torch, p2plab, stream):
    """The epilogue alone, its tensors in turn so that the L2 cache does not hold them, beside PyTorch's kernels one after another."""
    group = p2plab.Group.all([0], prepare="", load_nccl=0)[0]
    print("one rank, bf16: us for add + norm (+ float8), ours in one kernel; add, rms_norm (, amax, divide, convert) by PyTorch", flush=True)
    for shape in ((1, 8192), (6, 6144), (32, 8192), (138, 6144), (1024, 8192), (8192, 8192)):
        copies = max(1, min(20, int(200e6 / (shape[0] * shape[1] * 8)) + 1))
        for epilogue in ({"norm": "rms"}, {"norm": "rms", "float8": "token", "normed": False}):
            cases = [Case(torch, 0, shape, torch.bfloat16, epilogue, i) for i in range(copies)]

            def ours(call, handle):
                case = cases[call % copies]
                group.run_fused(case.x.data_ptr(), case.x.numel(), "bfloat16", handle, **case.words(shape))

            def theirs(call, handle):
                case = cases[call % copies]
                torch.add(case.x, case.residual, out=case.sum)
                y = torch.nn.functional.rms_norm(case.sum, (shape[1],), case.weight, 1e-5)
                if epilogue.get("float8"):
                    scale = y.abs().amax(1, keepdim=True).float() / 448
                    (y.float() / scale).to(torch.float8_e4m3fn)

            with torch.cuda.stream(stream):
                theirs(0, 0)
            synchronize(torch)
            print(f"  {shape} {epilogue.get('float8') or 'bf16'}: {timed(torch, [ours], [stream]):.2f}  {timed(torch, [theirs], [stream]):.2f}", flush=True)
    group.close()


def time_all_ranks(torch, groups, streams):
    print(f"{len(groups)} ranks, cold buffers: us for the plain all-reduce, with residual + norm, with float8 by token (ranks of one GPU share it)", flush=True)
    for shape in ((1, 8192), (6, 6144), (16, 4096), (32, 8192), (138, 6144)):
        row = []
        copies = max(10, int(300e6 / (shape[0] * shape[1] * 8 * len(groups))))
        sets = [[Case(torch, group.rank, shape, torch.bfloat16, {"norm": "rms"}, 4) for group in groups]]
        while len(sets) < min(copies, 300):
            sets.append([copy.copy(case) for case in sets[0]])
            for case in sets[-1]:
                for name in ("x", "residual", "weight", "sum", "normed", "quantised"):
                    setattr(case, name, getattr(case, name).clone())
        count = sets[0][0].x.numel()
        for epilogue in (None, {"norm": "rms"}, {"norm": "rms", "float8": "token", "normed": False}):
            def body(group, call, handle):
                case = sets[call % len(sets)][group.rank]
                if epilogue is None:
                    return group.run("all_reduce", case.x.data_ptr(), case.sum.data_ptr(), count, "bfloat16", handle)
                case.epilogue = epilogue
                return group.run_fused(case.x.data_ptr(), count, "bfloat16", handle, **case.words(shape))

            if epilogue is None:
                groups[0].prepare("all_reduce", count, "bfloat16")
            else:
                sets[0][0].epilogue = epilogue
                groups[0].prepare_fused(count, "bfloat16", **sets[0][0].words(shape))
            bodies = [functools.partial(body, group) for group in groups]
            row.append(timed(torch, bodies, streams, len(sets)))
        print(f"  {shape}: " + "  ".join(f"{us:.2f}" for us in row), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer shapes")
    parser.add_argument("--seconds", type=float, help="no case begins later; they come in a mixed order (code is made for each: about a second)")
    args = parser.parse_args()
    try:
        import torch
    except ModuleNotFoundError:
        print("skipped: no PyTorch for this Python")
        return SKIP
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../kernels/python"))
    import p2plab

    if not torch.cuda.is_available():
        print("skipped: PyTorch finds no GPU")
        return SKIP
    groups = p2plab.Group.all([r % torch.cuda.device_count() for r in range(args.ranks)], prepare="", load_nccl=0)
    streams = [torch.cuda.Stream(gpu_of(torch, group.rank)) for group in groups]
    done, there, wrong = check_data(torch, groups, streams, args)
    print(f"{args.ranks} ranks: {done} of {there} cases, {len(wrong)} wrong", flush=True)
    for what in wrong[:8]:
        print("  ", *what, flush=True)
    foreign = check_streams(torch, p2plab, groups, streams)
    print(f"streams of another GPU that were taken: {foreign}", flush=True)
    alone, graphs = check_rows_alone(torch, groups, streams), check_graphs(torch, groups, streams)
    print(f"rows whose bits change with their neighbours: {alone}; replays of graphs wrong: {graphs}", flush=True)
    if args.time:
        time_all_ranks(torch, groups, streams)
        time_one_rank(torch, p2plab, streams[0])
    for group in groups:
        group.close()
    return 1 if wrong or foreign or alone or graphs else 0


if __name__ == "__main__":
    sys.exit(main())
