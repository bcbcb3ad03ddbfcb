# SPDX-License-Identifier: Apache-2.0
"""Are faults named rightly, and how soon? Two ranks all-reduce on their GPUs and record it; again and again one of them is stopped, killed, comes 10 ms
late or calls another collective, while `p2plab monitor` looks on. Needs no PyTorch.

    P2PLAB_LIBRARY=libp2plab.so.1 python3 named_faults.py --program p2plab [--times 50] [--seconds 110] [--jobs 1] [--doctor]

Each kind is tried until all its times are done or its share of the seconds is over, and at least once, by so many pairs of ranks at once. --doctor:
also `p2plab doctor --probe cuda`, which must end within 3 s and find no probe wrong. One GPU does for both ranks. 77: cannot run here, with the reason."""

import argparse
import ctypes
import json
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../kernels/python"))
SKIP = 77
COUNT = 4096
LIMITS = {"late": 1.0, "stopped": 3.0, "other": 3.0, "killed": 3.0}
CAUSES = {"late": "straggler", "stopped": "rank stopped", "other": "different collectives", "killed": "rank died"}


class Gpu:
    """Memory and a stream by CUDA's driver, or of GPUs that are CPU threads."""

    def __init__(self, library, device):
        self.cuda = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        self.plays = hasattr(self.cuda, "host_stream_create")
        if self.plays:
            self.cuda.host_stream_create.restype = ctypes.c_void_p
            self.stream = self.cuda.host_stream_create()
            self.memory = (ctypes.c_float * (8 * COUNT))()
            self.address = ctypes.addressof(self.memory)
            return
        handle, context, address, stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_void_p()
        for done in (self.cuda.cuInit(0), self.cuda.cuDeviceGet(ctypes.byref(handle), device),
                     self.cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle), self.cuda.cuCtxSetCurrent(context),
                     self.cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(32 * COUNT)), self.cuda.cuStreamCreate(ctypes.byref(stream), 1)):
            if done != 0:
                sys.exit(f"CUDA's driver answers {done}")
        self.address, self.stream = address.value, stream.value

    def write(self, value):
        data = (ctypes.c_float * COUNT)(*[value] * COUNT)
        if self.plays:
            ctypes.memmove(self.address, data, 4 * COUNT)
        else:
            self.cuda.cuMemcpyHtoD_v2(ctypes.c_uint64(self.address), data, ctypes.c_size_t(4 * COUNT))

    def read(self):
        """The first result; waits for the stream."""
        value = ctypes.c_float()
        if self.plays:
            self.cuda.host_stream_wait(ctypes.c_void_p(self.stream))
            return self.memory[COUNT]
        self.cuda.cuStreamSynchronize(ctypes.c_void_p(self.stream))
        self.cuda.cuMemcpyDtoH_v2(ctypes.byref(value), ctypes.c_uint64(self.address + 4 * COUNT), ctypes.c_size_t(4))
        return value.value


def worker(rank, device, library):
    """Obeys lines: "new ID", "late", "other", "stop", which ends all ranks after the same call."""
    import p2plab

    gpu, lines = Gpu(library, device), []

    def read_lines():
        for line in iter(sys.stdin.readline, ""):
            lines.append(line.strip())
        os._exit(0)

    threading.Thread(target=read_lines, daemon=True).start()

    def say(text):
        print(text, flush=True)

    say("here")
    while True:
        while not lines:
            time.sleep(0.001)
        words = lines.pop(0).split()
        if words[0] != "new":
            continue
        group = p2plab.Group(rank, 2, bytes.fromhex(words[1]), device, prepare="all_reduce:float32:sum:16KiB,all_gather:16KiB", load_nccl=0,
                             deadline_seconds=30 if words[2] == "long" else 0.5)
        gpu.write(0.0)
        late, other, stops, calls = False, False, False, 0
        while True:
            if lines:
                word = lines.pop(0)
                late, other, stops = late or word == "late", word == "other", stops or word == "stop"
                if stops:
                    gpu.write(1.0)
                elif late or other:
                    say(f"injected {time.monotonic()}")
            if late:
                time.sleep(0.01)
            try:
                kind = "all_gather" if other else "all_reduce"
                group.run(kind, gpu.address, gpu.address + 4 * COUNT, COUNT, "float32", gpu.stream)
                result = gpu.read()
                calls += 1
                group.check()
            except p2plab.Error as error:
                say(f"failed {error}")
                try:
                    group.abort("the round is over")
                    group.close()
                except p2plab.Error:
                    pass
                break
            if calls == 20:
                say("running")
            if result > 0.5:
                group.close()
                say("stopped")
                break
            time.sleep(0.0005)


class Broken(Exception):
    """A round that does not go on, and why."""


class Ranks:
    def __init__(self, arguments, folder):
        self.arguments, self.base, self.folder, self.workers = arguments, folder, folder, []

    def start(self):
        """New processes, whose records lie in a folder of their own: nobody looks at those of earlier rounds."""
        self.end()
        self.folder = tempfile.mkdtemp(dir=self.base)
        environment = dict(os.environ, P2PLAB_MONITOR="basic", P2PLAB_MONITOR_DIR=self.folder, P2PLAB_WATCH="0")
        self.workers = [subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", str(rank), "--device", str(device), "--cuda",
                                          self.arguments.cuda], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
                        for rank, device in enumerate(self.arguments.devices)]
        self.lines = [queue.Queue() for _ in self.workers]
        for each, lines in zip(self.workers, self.lines):
            threading.Thread(target=self.read, args=(each, lines), daemon=True).start()
        for rank in range(2):
            self.hear(rank, "here", 60)

    @staticmethod
    def read(worker, lines):
        for line in iter(worker.stdout.readline, ""):
            lines.put(line)
        lines.put(None)

    def tell(self, rank, line):
        try:
            self.workers[rank].stdin.write(line + "\n")
            self.workers[rank].stdin.flush()
        except BrokenPipeError:
            raise Broken(f"rank {rank} has ended") from None

    def hear(self, rank, word, seconds=20):
        """The rest of the next line that begins so; others are passed over, but for a failure that nobody wants to hear of."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self.lines[rank].get(timeout=max(0.001, until - time.monotonic()))
            except queue.Empty:
                raise Broken(f"rank {rank} did not say '{word}' within {seconds} s") from None
            if line is None:
                raise Broken(f"rank {rank} ended before it said '{word}'")
            if line.startswith(word):
                return line[len(word):].strip()
            if line.startswith("failed"):
                raise Broken(f"rank {rank} {line.strip()}")

    def group(self, lasting):
        import p2plab

        place = p2plab.unique_id().hex()
        for rank in range(2):
            self.tell(rank, f"new {place} {lasting}")
        for rank in range(2):
            self.hear(rank, "running")

    def stop(self):
        self.tell(0, "stop")
        for rank in range(2):
            self.hear(rank, "stopped")

    def end(self):
        for each in self.workers:
            each.kill()
            each.wait()
        self.workers = []


class Monitor:
    """What `p2plab monitor --json` says, with when it came."""

    def __init__(self, program, folder):
        self.child = subprocess.Popen([program, "monitor", "--json", "--dir", folder, "--interval", "200 ms"], stdout=subprocess.PIPE, text=True)
        self.alarms = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in iter(self.child.stdout.readline, ""):
            if line.startswith('{"event":"alarm"'):
                self.alarms.append((time.monotonic(), json.loads(line)))

    def first(self, since, seconds, kind):
        """The first alarm after a moment, of what this program does, and how long after. A rank that another program keeps from its core is late, too."""
        passed_over = ("slow band", "lost records") if kind in (None, "late") else ("slow band", "lost records", "straggler")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for when, alarm in list(self.alarms):
                if when >= since and alarm["kind"] not in passed_over:
                    return alarm, when - since
            time.sleep(0.005)
        return None, seconds


def inject(ranks, kind, odd):
    if kind == "stopped":
        ranks.workers[odd].send_signal(signal.SIGSTOP)
        return time.monotonic()
    if kind == "killed":
        since = time.monotonic()
        ranks.workers[odd].kill()
        ranks.workers[odd].wait()  # the alarm may come before its end
        return since
    ranks.tell(odd, kind)
    return float(ranks.hear(odd, "injected"))


def after(ranks, kind, odd):
    """Makes ready for the next round."""
    if kind == "stopped":
        ranks.workers[odd].send_signal(signal.SIGCONT)
    if kind == "stopped":
        return ranks.stop()
    if kind in ("killed", "late"):
        return ranks.start()
    for rank in range(2):
        ranks.hear(rank, "failed")


class Tried:
    """What came of the rounds of one kind, of all pairs of ranks."""

    def __init__(self, wanted):
        self.wanted, self.right, self.times, self.wrong, self.early, self.lock = wanted, 0, [], [], 0, threading.Lock()

    def more(self):
        """Is there a round to begin?"""
        with self.lock:
            self.wanted -= 1
            return self.wanted >= 0

    def add(self, took, wrong):
        with self.lock:
            self.times.append(took)
            self.right += wrong is None
            self.wrong += [] if wrong is None else [wrong]


def try_round(arguments, ranks, kind):
    """A fault, and what came of it: how long it took and what was wrong; nothing if an alarm came before, as on a machine that does too much else."""
    ranks.group("long" if kind in ("stopped", "late") else "short")
    monitor = Monitor(arguments.program, ranks.folder)
    try:
        time.sleep(0.3)
        odd = random.randrange(2)
        if monitor.first(0, 0.02, kind)[0] is not None:
            return None
        since = inject(ranks, kind, odd)
        alarm, took = monitor.first(since, LIMITS[kind] + 2, kind)
    finally:
        monitor.child.kill()
        monitor.child.wait()
    after(ranks, kind, odd)
    # Of two ranks that call different collectives none is the odd one.
    named = alarm is not None and alarm["kind"] == CAUSES[kind] and (alarm["rank"] == odd or kind == "other")
    return took, None if named and took <= LIMITS[kind] else f"rank {odd}, after {took:.2f} s: {json.dumps(alarm)}"


def try_rounds(arguments, ranks, kind, end, tried):
    broken = 0
    ranks.start()
    while (not tried.times or time.monotonic() < end) and tried.more():
        try:
            result = try_round(arguments, ranks, kind)
        except Broken as why:
            result, broken = (float("inf"), f"broken: {why}"), broken + 1
        if result is None:
            with tried.lock:
                tried.early, tried.wanted = tried.early + 1, tried.wanted + 1
        else:
            tried.add(*result)
        if broken > 3 or tried.early > 20 * arguments.jobs:
            break
        if result is None or result[0] == float("inf"):
            ranks.start()


def try_kind(arguments, folder, kind, seconds):
    begun = time.monotonic()
    tried, pairs = Tried(arguments.times), [Ranks(arguments, folder) for _ in range(arguments.jobs)]

    def rounds(ranks):
        try:
            try_rounds(arguments, ranks, kind, begun + seconds, tried)
        finally:
            ranks.end()

    threads = [threading.Thread(target=rounds, args=(ranks,)) for ranks in pairs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    times = sorted(tried.times) or [float("nan")]
    print(f"{kind:8} {tried.right} of {len(times)} named rightly within {LIMITS[kind]:g} s; median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s; "
          f"{tried.early} alarms before a fault; {time.monotonic() - begun:.0f} s", flush=True)
    for text in tried.wrong[:5]:
        print(f"  {text}", flush=True)
    return tried.right == len(times)


def doctor(program):
    begun = time.monotonic()
    ran = subprocess.run([program, "doctor", "--probe", "cuda", "--json"], capture_output=True, text=True)
    took = time.monotonic() - begun
    report = json.loads(ran.stdout) if ran.stdout.startswith("{") else {}
    probes = [each for each in report.get("findings", []) if each["name"].startswith("probe.")]
    print(f"doctor   {took:.2f} s, exit {ran.returncode}, {len(probes)} findings of probes: {json.dumps(probes)[:400]}{ran.stderr[:200]}", flush=True)
    return ran.returncode == 0 and took < 3 and not probes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program")
    parser.add_argument("--cuda", default="libcuda.so.1")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=110)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(LIMITS))
    parser.add_argument("--doctor", action="store_true")
    parser.add_argument("--worker", type=int)
    parser.add_argument("--device", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        return worker(arguments.worker, arguments.device, arguments.cuda)
    try:
        import p2plab

        found = ctypes.c_int()
        p2plab._library.check(p2plab._library.library().p2plab_device_count(ctypes.byref(found)))
    except (OSError, RuntimeError) as error:
        print(f"SKIPPED: {error}")
        sys.exit(SKIP)
    arguments.devices = [0, 1 % found.value]
    random.seed(1)
    good = doctor(arguments.program) if arguments.doctor else True
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        kinds = arguments.kinds.split(",")
        for kind in kinds:
            good = try_kind(arguments, folder, kind, arguments.seconds / len(kinds)) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
