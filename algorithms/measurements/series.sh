#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plans of even machines, one size after another: processor time, peak memory and prediction of each, as CSV on stdout. Ends with 1 where a size takes
# more than twice as long as the next larger one.
# Usage: series.sh P2PLAB COLLECTIVE SIZE SERVERS...   (servers of 8 A100, as in: series.sh build/p2plab all_reduce '64 MiB' 8 16 24 32)
set -euo pipefail
export LC_ALL=C
program=$1 collective=$2 size=$3
shift 3
usage=$(mktemp)
trap 'rm -f "$usage"' EXIT
code=0 before=0 smaller=''
echo 'GPUs,processor s,MiB,predicted us'
for servers in "$@"; do
  predicted=$(/usr/bin/time -f '%U %S %M' -o "$usage" "$program" plan --topology "hgx-a100:nodes=$servers" --collective "$collective" --size "$size" \
    --json 2>/dev/null | sed -n 's/^  "predicted_us": \([0-9.]*\),*$/\1/p')
  read -r seconds memory < <(tail -n 1 "$usage" | awk '{ printf "%.2f %d\n", $1 + $2, $3 / 1024 }')
  printf '%d,%s,%s,%.2f\n' $((servers * 8)) "$seconds" "$memory" "$predicted"
  if awk -v b="$before" -v s="$seconds" 'BEGIN { exit !(b > 2 * s && b > 0.2) }'; then
    echo "$smaller GPUs took $before s, more than twice the $seconds s of $((servers * 8))" >&2
    code=1
  fi
  before=$seconds smaller=$((servers * 8))
done
exit "$code"
