#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Open MPI 4.1.4 (Debian libopenmpi3 4.1.4-3+b1), coll_tuned_dynamic_rules_filename: the two thresholds of a rules file do not work alike. An entry for
# messages from 64 KiB leaves shorter ones to the built-in decision; an entry for communicators of 8 ranks, if it is the first, decides for 4 ranks, too.
# So a file that was tuned on one large communicator changes every smaller one in the job. To keep those as they are, the file must begin with an
# entry for size 0 and algorithm 0.
# Seen by the order of a sum (1e16 + 1 - 1e16 + 1 is another number in another order): 4 ranks, 32 KiB: "0 0 0 0" by the built-in decision and with a rule
# for messages from 64 KiB; "1 0 1 0", that of the ring, with a rule for 8 ranks; "0 0 0 0" if an entry for size 0 comes before it. Fails if that
# changes. Needs apt and gcc.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download -qq openmpi-bin=4.1.4-3+b1 libopenmpi3=4.1.4-3+b1 libopenmpi-dev=4.1.4-3+b1 openmpi-common=4.1.4-3 libpmix2 libhwloc15 libhwloc-plugins \
  libevent-core-2.1-7 libevent-pthreads-2.1-7 libucx0 libfabric1 libpsm-infinipath1 libpsm2-2 libnl-3-200 libnl-route-3-200 libibverbs1 librdmacm1 zlib1g libmunge2 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
lib=$work/root/usr/lib/$(gcc -dumpmachine)
export OPAL_PREFIX=$work/root/usr LD_LIBRARY_PATH=$lib:$lib/openmpi/lib PATH=$work/root/usr/bin:$PATH
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

cat >sum.c <<'SOURCE'
#include <mpi.h>
#include <stdio.h>
int main(int argc, char** argv) {
  static const double part[4] = {1e16, 1, -1e16, 1};
  static double mine[4096], sum[4096];
  int rank;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int i = 0; i < 4096; ++i) mine[i] = part[rank];
  MPI_Allreduce(mine, sum, 4096, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) printf("%g %g %g %g\n", sum[0], sum[1024], sum[2048], sum[4095]);
  return MPI_Finalize();
}
SOURCE
gcc -I"$lib/openmpi/include" sum.c -o sum -L"$lib" -L"$lib/openmpi/lib" -lmpi -Wl,--allow-shlib-undefined

# One collective: 2, all-reduce. Then of each communicator size how many lines; a line: from so many bytes, algorithm (4: ring), fan-out, segment.
printf '1\n2\n1\n0\n1\n65536 4 0 0\n' >from_64k.conf
printf '1\n2\n1\n8\n1\n0 4 0 0\n' >eight_ranks.conf
printf '1\n2\n2\n0\n1\n0 0 0 0\n8\n1\n0 4 0 0\n' >zero_first.conf
seen() { mpirun.openmpi -n 4 --mca coll ^han,adapt --mca coll_tuned_use_dynamic_rules 1 "$@" ./sum 2>errors.txt || { cat errors.txt >&2; exit 1; }; }
rules() { seen --mca coll_tuned_dynamic_rules_filename "$work/$1"; }
told=$(printf '%s\n' "built in: $(seen)" "messages from 64 KiB: $(rules from_64k.conf)" "8 ranks: $(rules eight_ranks.conf)" "size 0 first: $(rules zero_first.conf)")
echo "$told"
[[ $told == $'built in: 0 0 0 0\nmessages from 64 KiB: 0 0 0 0\n8 ranks: 1 0 1 0\nsize 0 first: 0 0 0 0' ]]
