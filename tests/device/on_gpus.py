# SPDX-License-Identifier: Apache-2.0
"""What programs share that run p2plab's Python module on GPUs, a process a rank."""
import os
import subprocess
import sys
import time

SKIP = 77


def cannot_run():
    """Whether PyTorch or GPUs are missing, having said so. Else the module of this tree can be imported."""
    try:
        import torch
    except ModuleNotFoundError:
        print("skipped: no PyTorch for this Python")
        return True
    if not torch.cuda.is_available():
        print("skipped: PyTorch finds no GPU")
        return True
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../kernels/python"))
    return False


def start(rank, more=(), **variables):
    """This program once more, as a rank."""
    return subprocess.Popen([sys.executable, *sys.argv, *more], env=dict(os.environ, RANK=str(rank), **variables))


def start_on_server(server, rank, more=(), **variables):
    """The same on a server of its own, as NCCL sees it, over sockets."""
    own = dict(NCCL_HOSTID=f"server{server}", NCCL_NVLS_ENABLE="0", NCCL_SOCKET_IFNAME=os.environ.get("NCCL_SOCKET_IFNAME", "lo"))
    return start(rank, more, **own, **variables)


def codes_of(processes, until):
    """Their exit codes; whoever has not ended by then is killed."""
    codes = []
    for process in processes:
        try:
            codes.append(process.wait(max(0.1, until - time.time())))
        except subprocess.TimeoutExpired:
            process.kill()
            codes.append(process.wait())
    return codes
