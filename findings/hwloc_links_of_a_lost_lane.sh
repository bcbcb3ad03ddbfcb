#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hwloc 2.9.0 (Debian hwloc-nox 2.9.0-1): distances-transform NVLinkBandwidth links turns bandwidths between GPUs into numbers of links by dividing them
# by the smallest one, and gives up if one is no multiple of it. So it works for four GPUs with four NVLinks a pair (100000 MB/s), and fails once a GPU
# has lost a lane (75000 beside 100000): just where one wants to see which. hwloc-annotate then says "Failed to transform distances" on stderr, but exits
# with 0 and writes a topology from which the matrix is gone.
# Seen: whole: links of the last GPU '1 1 1', exit 0; lost: no links, no matrix left, exit 0. Fails if that changes. Needs apt.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download -qq hwloc-nox=2.9.0-1 libhwloc15=2.9.0-1 libtinfo6 libltdl7 libxml2 libicu72 libudev1 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
PATH=$work/root/usr/bin:$PATH
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu):$(echo "$work"/root/lib/*-linux-gnu)
export PATH LD_LIBRARY_PATH
lstopo-no-graphics -i "pack:4 pu:1" -f machine.xml >/dev/null 2>&1
# links NAME LAST: four packages stand for four GPUs, LAST is the bandwidth of every pair with the last one.
links() {
  {
    printf 'name=NVLinkBandwidth\n10\n4\npack:0\npack:1\npack:2\npack:3\n'  # kind 10: bandwidths, given by a user
    for a in 0 1 2 3; do
      for b in 0 1 2 3; do
        if [[ $a == "$b" ]]; then echo 1000000; elif [[ $a == 3 || $b == 3 ]]; then echo "$2"; else echo 100000; fi
      done
    done
  } >"$1.txt"
  hwloc-annotate machine.xml "$1.xml" -- root -- distances "$1.txt"
  status=0
  hwloc-annotate "$1.xml" "$1.links.xml" -- root -- distances-transform NVLinkBandwidth links 2>"$1.error" || status=$?
  row=$(lstopo-no-graphics -i "$1.links.xml" --distances | awk 'NR == 6 { print $2, $3, $4 }')
  error=$(sed 's/ `.*//' "$1.error")
  echo "$1: links of the last GPU '$row', matrices $(grep -c '<distances2 ' "$1.links.xml" || true), said '$error', exit $status"
}
whole=$(links whole 100000)
lost=$(links lost 75000)
printf '%s\n%s\n' "$whole" "$lost"
[[ $whole == "whole: links of the last GPU '1 1 1', matrices 1, said '', exit 0" ]]
[[ $lost == "lost: links of the last GPU '', matrices 0, said 'Failed to transform distances', exit 0" ]]
