# SPDX-License-Identifier: Apache-2.0
"""Kernels of somebody else beside ours, on one real GPU: launched programmatically before and behind our calls, and waiting for chunks or giving them.

    python3 neighbours.py [--ranks 2] [--rounds 300]          77: cannot run here, with the reason

Kernels are compiled by NVRTC and launched by the driver, both through cuda-bindings; all ranks are in one process and share GPU 0.
"""
import argparse
import ctypes
import os
import sys

SKIP = 77
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")

SOURCE = r"""
// Lets the call behind it begin at once, and writes what that reads only some time later.
extern "C" __global__ void before(float* x, int count, float value, long long cycles) {
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
  const long long begin = clock64();
  while (clock64() - begin < cycles) {}
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) x[i] = value + i % 7;
}
// Is launched behind the call as soon as that has begun; counts what is not there yet. `waits` is what the header asks for.
extern "C" __global__ void after(const float* y, int count, float scale, float value, int waits, unsigned* wrong) {
  if (waits) asm volatile("griddepcontrol.wait;" ::: "memory");
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    float seen;
    asm volatile("ld.volatile.global.f32 %0, [%1];" : "=f"(seen) : "l"(y + i) : "memory");
    if (seen != scale * (value + i % 7)) atomicAdd(wrong, 1);
  }
}
// Makes chunk after chunk; every block counts up the words of those that it has made its part of.
extern "C" __global__ void produce(float* x, int count, int chunk, float value, unsigned* given) {
  for (int c = 0; c * chunk < count; ++c) {
    const int end = min(count, (c + 1) * chunk);
    for (int i = c * chunk + blockIdx.x * blockDim.x + threadIdx.x; i < end; i += gridDim.x * blockDim.x) x[i] = value + i % 7;
    __syncthreads();
    if (threadIdx.x == 0) p2plab_count(given + c);
    for (int spins = 0; spins < 20; ++spins) __nanosleep(100);
  }
}
// Takes chunk after chunk as they are done.
extern "C" __global__ void consume(const float* y, int count, int chunk, float scale, float value, const unsigned* done, unsigned* wrong) {
  __shared__ bool there;
  for (int c = 0; c * chunk < count; ++c) {
    if (threadIdx.x == 0) there = p2plab_await(done + c, 1, 5000000000ull);
    __syncthreads();
    if (!there && threadIdx.x == 0) atomicAdd(wrong, 1u << 20);
    const int end = min(count, (c + 1) * chunk);
    for (int i = c * chunk + blockIdx.x * blockDim.x + threadIdx.x; there && i < end; i += gridDim.x * blockDim.x)
      if (y[i] != scale * (value + i % 7)) atomicAdd(wrong, 1);
    __syncthreads();
  }
}
"""


class Kernels:
    def __init__(self, capability):
        from cuda.bindings import driver, nvrtc

        self.driver = driver
        with open(os.path.join(ROOT, "kernels/include/p2plab/c/signals.cuh"), encoding="utf-8") as header:
            source = header.read().replace("#pragma once", "") + SOURCE
        failed, program = nvrtc.nvrtcCreateProgram(source.encode(), b"neighbours.cu", 0, [], [])
        (failed,) = nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=sm_%d%d" % capability])
        if failed != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
            nvrtc.nvrtcGetProgramLog(program, log)
            raise RuntimeError(log.decode())
        code = b" " * nvrtc.nvrtcGetCUBINSize(program)[1]
        nvrtc.nvrtcGetCUBIN(program, code)
        self.module = self.checked(driver.cuModuleLoadData(code))
        self.kept = []  # arguments of captured launches

    def checked(self, answer):
        if answer[0] != self.driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(str(answer[0]))
        return answer[1] if len(answer) > 1 else None

    def launch(self, name, stream, blocks, *arguments, programmatic=False):
        driver = self.driver
        function = self.checked(driver.cuModuleGetFunction(self.module, name.encode()))
        config = driver.CUlaunchConfig()
        config.gridDimX, config.gridDimY, config.gridDimZ = blocks, 1, 1
        config.blockDimX, config.blockDimY, config.blockDimZ = 256, 1, 1
        config.hStream = driver.CUstream(stream)
        if programmatic:
            attribute = driver.CUlaunchAttribute()
            attribute.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
            attribute.value.programmaticStreamSerializationAllowed = 1
            config.attrs, config.numAttrs = [attribute], 1
        given = (tuple(value for value, _ in arguments), tuple(kind for _, kind in arguments))
        self.checked(driver.cuLaunchKernelEx(config, function, given, 0))


def pointer(tensor):
    return (tensor.data_ptr(), ctypes.c_void_p)


def whole(value):
    return (value, ctypes.c_int)


def number(value):
    return (value, ctypes.c_float)


def programmatic(torch, kernels, groups, streams, rounds, graph, fused):
    """Elements that a kernel behind the call found wrong, where it waited as it must, and where it did not."""
    ranks, count, hidden = len(groups), 6 * 6144, 6144
    found = []
    for waits in (1, 0):
        x = [torch.zeros(count, device="cuda") for _ in groups]
        y = [torch.zeros(count, device="cuda") for _ in groups]
        normed, ones = [torch.zeros(count, device="cuda") for _ in groups], torch.ones(hidden, device="cuda")
        wrong = [torch.zeros(1, dtype=torch.int32, device="cuda") for _ in groups]
        epilogue = lambda r: {"hidden": hidden, "weight": ones.data_ptr(), "sum": y[r].data_ptr(), "normed": normed[r].data_ptr()}
        for r, group in enumerate(groups):
            if r > 0 and ranks > 1:
                break
            group.prepare_fused(count, "float32", **epilogue(r)) if fused else group.prepare("all_reduce", count, "float32")
        torch.cuda.synchronize()

        def put(r, stream, value):
            kernels.launch("before", stream, 8, pointer(x[r]), whole(count), number(value), (20000, ctypes.c_longlong), programmatic=True)
            if fused:
                groups[r].run_fused(x[r].data_ptr(), count, "float32", stream, **epilogue(r))
            else:
                groups[r].run("all_reduce", x[r].data_ptr(), y[r].data_ptr(), count, "float32", stream)
            kernels.launch("after", stream, 8, pointer(y[r]), whole(count), number(float(ranks)), number(value), whole(waits), pointer(wrong[r]),
                           programmatic=True)

        if graph:
            graphs = []
            for r, stream in enumerate(streams[:ranks]):
                made = torch.cuda.CUDAGraph()
                with torch.cuda.graph(made, stream=stream, capture_error_mode="relaxed"):
                    for value in range(10):
                        put(r, torch.cuda.current_stream().cuda_stream, float(value))
                graphs.append(made)
            for _ in range(rounds // 10):
                for made, stream in zip(graphs, streams):
                    with torch.cuda.stream(stream):
                        made.replay()
                torch.cuda.synchronize()
        else:
            for value in range(rounds):
                for r, stream in enumerate(streams[:ranks]):
                    put(r, stream.cuda_stream, float(value))
                if value % 50 == 49:
                    torch.cuda.synchronize()
        torch.cuda.synchronize()
        for group in groups:
            group.check()
        found.append(sum(int(each.item()) for each in wrong))
    return found


def chunks(torch, kernels, groups, streams, rounds):
    """Elements that were wrong where one kernel makes chunks and another takes them, both at the same time as the calls."""
    ranks, count, parts, blocks = len(groups), 1 << 20, 8, 8
    x = [torch.zeros(count, device="cuda") for _ in groups]
    y = [torch.zeros(count, device="cuda") for _ in groups]
    wrong = [torch.zeros(1, dtype=torch.int32, device="cuda") for _ in groups]
    done = [torch.zeros(parts, dtype=torch.int32, device="cuda") for _ in groups]
    given = [torch.zeros(parts, dtype=torch.int32, device="cuda") for _ in groups]
    makers, takers = [torch.cuda.Stream() for _ in groups], [torch.cuda.Stream() for _ in groups]
    chunk = groups[0].prepare_chunks(count, "float32", parts)
    # CUDA loads a kernel when it is first launched, and may wait for those that run: not while one waits for the next.
    for r in range(ranks):
        kernels.launch("produce", makers[r].cuda_stream, blocks, pointer(x[r]), whole(0), whole(chunk), number(0.0), pointer(given[r]))
        kernels.launch("consume", takers[r].cuda_stream, 16, pointer(y[r]), whole(0), whole(chunk), number(0.0), number(0.0), pointer(done[r]),
                       pointer(wrong[r]))
    for value in range(rounds):
        torch.cuda.synchronize()
        for words in done + given:
            words.zero_()
        torch.cuda.synchronize()
        for r, group in enumerate(groups):
            kernels.launch("consume", takers[r].cuda_stream, 16, pointer(y[r]), whole(count), whole(chunk), number(float(ranks)), number(float(value)),
                           pointer(done[r]), pointer(wrong[r]))
            group.run_in_chunks(x[r].data_ptr(), y[r].data_ptr(), count, "float32", streams[r].cuda_stream, parts, done=done[r].data_ptr(),
                                given=given[r].data_ptr(), given_value=blocks)
            kernels.launch("produce", makers[r].cuda_stream, blocks, pointer(x[r]), whole(count), whole(chunk), number(float(value)), pointer(given[r]))
        torch.cuda.synchronize()
        for group in groups:
            group.check()
    return sum(int(each.item()) for each in wrong)


def price(torch, p2plab, ranks):
    """Microseconds of an all-reduce by at most so many thread blocks a rank, 0: as many as are fast."""
    from fused_ranks import timed

    streams = [torch.cuda.Stream() for _ in range(ranks)]
    for size in (64 << 10, 1 << 20, 16 << 20, 64 << 20):
        row = []
        for most in (0, 32, 16, 8, 4):
            groups = p2plab.Group.all([0] * ranks, prepare="", load_nccl=0, most_blocks=most)
            count = size // 2
            groups[0].prepare("all_reduce", count, "bfloat16")
            x, y = ([torch.ones(count, dtype=torch.bfloat16, device="cuda") for _ in groups] for _ in range(2))
            body = lambda r: lambda _, handle: groups[r].run("all_reduce", x[r].data_ptr(), y[r].data_ptr(), count, "bfloat16", handle)
            row.append(timed(torch, [body(r) for r in range(ranks)], streams, 20 if size <= 1 << 20 else 5, 9))
            for group in groups:
                group.close()
        print(f"  {size >> 10} KiB: " + "  ".join(f"{us:.2f}" for us in row), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--price", action="store_true", help="also what fewer thread blocks cost")
    args = parser.parse_args()
    try:
        import torch
        from cuda.bindings import driver, nvrtc  # noqa: F401
    except ModuleNotFoundError as missing:
        print(f"skipped: {missing}")
        return SKIP
    if not torch.cuda.is_available():
        print("skipped: PyTorch finds no GPU")
        return SKIP
    if torch.cuda.get_device_capability() < (9, 0):
        print("skipped: the GPU knows no programmatic launch")
        return SKIP
    sys.path.insert(0, os.path.join(ROOT, "kernels/python"))
    import p2plab

    torch.cuda.init()
    torch.zeros(1, device="cuda")
    kernels = Kernels(torch.cuda.get_device_capability())
    bad = all_hurried = 0
    for ranks in sorted({1, args.ranks}):
        groups = p2plab.Group.all([0] * ranks, prepare="", load_nccl=0, most_blocks=16)
        streams = [torch.cuda.Stream() for _ in range(ranks)]
        for fused in ((True,) if ranks == 1 else (False, True)):
            for graph in (False, True):
                waited, hurried = programmatic(torch, kernels, groups, streams, args.rounds, graph, fused)
                print(f"{ranks} ranks, {'fused' if fused else 'plain'}, {'graphs' if graph else 'eager'}: {waited} elements wrong behind a wait, "
                      f"{hurried} without one", flush=True)
                bad += waited
                all_hurried += hurried
        if ranks > 1:
            found = chunks(torch, kernels, groups, streams, max(1, args.rounds // 10))
            print(f"{ranks} ranks, chunks made and taken at the same time: {found} elements wrong", flush=True)
            bad += found
        for group in groups:
            group.close()
    if args.price:
        print(f"{args.ranks} ranks: us of an all-reduce by any number of blocks a rank, by 32, 16, 8, 4", flush=True)
        price(torch, p2plab, args.ranks)
    if all_hurried == 0:
        print("no kernel that did not wait read anything wrong: these calls could not have shown a fault", flush=True)
    return 1 if bad or all_hurried == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
