#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Open MPI 4.1.4 (Debian openmpi-bin 4.1.4-3+b1): a rank's standard output is a terminal even where mpirun's own is a file: each local process gets a
# pseudo-terminal. Standard error does not. So a program that colours its tables, or draws over lines, "only on a terminal" does so into job logs under
# mpirun, and must ask for OMPI_COMM_WORLD_RANK as well.
# Seen: "out terminal, err none" in the file that mpirun wrote. Fails if that changes. Needs apt.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download -qq openmpi-bin=4.1.4-3+b1 libopenmpi3=4.1.4-3+b1 openmpi-common=4.1.4-3 libpmix2 libhwloc15 libhwloc-plugins libevent-core-2.1-7 libevent-pthreads-2.1-7 \
  libucx0 libfabric1 libpsm-infinipath1 libpsm2-2 libnl-3-200 libnl-route-3-200 libibverbs1 librdmacm1 zlib1g libmunge2 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
multiarch=$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
export OPAL_PREFIX=$work/root/usr LD_LIBRARY_PATH=$work/root/usr/lib/$multiarch:$work/root/usr/lib/$multiarch/openmpi/lib PATH=$work/root/usr/bin:$PATH
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cat >look.sh <<'SOURCE'
[ -t 1 ] && out=terminal || out=none
[ -t 2 ] && err=terminal || err=none
echo "out $out, err $err"
SOURCE
mpirun.openmpi -n 1 sh look.sh >seen.txt 2>errors.txt || { cat errors.txt >&2; exit 1; }
cat seen.txt
[[ $(<seen.txt) == "out terminal, err none" ]]
