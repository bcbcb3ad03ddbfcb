# SPDX-License-Identifier: Apache-2.0
"""One rank of MPICH, by its shared library: collectives of many sizes, checked. Run by mpich_test.sh under mpiexec."""

import ctypes
import sys

mpi = ctypes.CDLL("libmpich.so.12", mode=ctypes.RTLD_GLOBAL)
# Handles as mpi.h of MPICH has them.
WORLD, FLOAT, SUM, IN_PLACE = 0x44000000, 0x4C00040A, 0x58000003, ctypes.c_void_p(-1)
mpi.MPI_Init(None, None)
rank, ranks = ctypes.c_int(), ctypes.c_int()
mpi.MPI_Comm_rank(WORLD, ctypes.byref(rank))
mpi.MPI_Comm_size(WORLD, ctypes.byref(ranks))
r, n = rank.value, ranks.value


def floats(values):
    return (ctypes.c_float * len(values))(*values)


def expect(found, wanted, what):
    if list(found) != wanted:
        sys.stderr.write(f"rank {r}: {what} is wrong\n")
        mpi.MPI_Abort(WORLD, 1)


for count in (1, 3, 256, 20000):
    total = [float(sum(range(1, n + 1)))] * count
    mine, all_of = floats([r + 1.0] * count), floats([0.0] * count * n)
    out = floats([0.0] * count)
    mpi.MPI_Allreduce(mine, out, count, FLOAT, SUM, WORLD)
    expect(out, total, f"the sum of {count}")
    mpi.MPI_Allreduce(IN_PLACE, mine, count, FLOAT, SUM, WORLD)
    expect(mine, total, f"the sum of {count} in place")
    mpi.MPI_Allgather(floats([r + 1.0] * count), count, FLOAT, all_of, count, FLOAT, WORLD)
    expect(all_of, [float(q + 1) for q in range(n) for _ in range(count)], f"the blocks of {count}")
    mpi.MPI_Reduce_scatter_block(all_of, out, count, FLOAT, SUM, WORLD)
    expect(out, [float(n * (r + 1))] * count, f"the scattered sum of {count}")
    mpi.MPI_Alltoall(floats([float(10 * r + q) for q in range(n) for _ in range(count)]), count, FLOAT, all_of, count, FLOAT, WORLD)
    expect(all_of, [float(10 * q + r) for q in range(n) for _ in range(count)], f"the exchanged {count}")
    root = floats([5.0 if r == 0 else 0.0] * count)
    mpi.MPI_Bcast(root, count, FLOAT, 0, WORLD)
    expect(root, [5.0] * count, f"the broadcast of {count}")
    request = ctypes.c_int()
    mpi.MPI_Iallreduce(floats([1.0] * count), out, count, FLOAT, SUM, WORLD, ctypes.byref(request))
    mpi.MPI_Wait(ctypes.byref(request), ctypes.c_void_p(1))
    expect(out, [float(n)] * count, f"the sum of {count} begun and waited for")
mpi.MPI_Barrier(WORLD)
mpi.MPI_Finalize()
