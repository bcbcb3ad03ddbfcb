#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A wire between two network namespaces that delays packets and loses some: lossy_wire.py NAMESPACE ADDRESS NAMESPACE ADDRESS DELAY_MS LOSS.

Each namespace gets an interface p2plab_wire (TUN) with its address, of one network of 24 bits. As `tc netem` does, for kernels without it: packets are
lost by a fixed seed, the others arrive in their order after the delay. SIGUSR1 cuts the wire for good. Prints "up", then runs until it is ended."""
import collections
import ctypes
import fcntl
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
NAME = "p2plab_wire"
NEWNET = 0x40000000


def end_in(namespace, address, home):
    with open(f"/var/run/netns/{namespace}") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    ctypes.CDLL(None).setns(home.fileno(), NEWNET)
    for words in (["addr", "add", f"{address}/24", "dev", NAME], ["link", "set", NAME, "up"]):
        subprocess.run(["ip", "-n", namespace, *words], check=True)
    return end


def main():
    first, first_address, second, second_address, delay, loss = sys.argv[1:]
    with open("/proc/self/ns/net") as home:
        ends = [end_in(first, first_address, home), end_in(second, second_address, home)]
    delay, loss = float(delay) / 1000, float(loss)
    drawn = random.Random(1)
    cut = []
    signal.signal(signal.SIGUSR1, lambda *_: cut.append(True))
    on_the_way = [collections.deque(), collections.deque()]  # to each end: when it arrives, and the packet
    lost = passed = 0
    print("up", flush=True)
    try:
        while True:
            next_arrival = min((queue[0][0] for queue in on_the_way if queue), default=None)
            wait = None if next_arrival is None else max(0.0, next_arrival - time.monotonic())
            ready = select.select(ends, [], [], wait)[0]
            for end in ready:
                packet = os.read(end, 1 << 16)
                if cut or drawn.random() < loss:
                    lost += 1
                    continue
                passed += 1
                on_the_way[1 - ends.index(end)].append((time.monotonic() + delay, packet))
            for end, queue in zip(ends, on_the_way):
                while queue and queue[0][0] <= time.monotonic():
                    os.write(end, queue.popleft()[1])
    finally:
        print(f"{passed} packets passed, {lost} lost", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
