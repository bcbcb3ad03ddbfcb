#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plans of even machines, one number of GPUs after another: processor time, peak memory and prediction of each, as CSV on stdout. Ends with 1 where a
# number takes more than twice as long as the next larger one; what takes less than 0.2 s does not count.
# Usage: series.sh P2PLAB MACHINE COLLECTIVES SIZES COUNTS...
#   MACHINE has % for the count; COLLECTIVES and SIZES are separated by commas; sizes in bytes (as in '65539 B') are of uint8, others of float32:
#   series.sh build/p2plab 'hgx-a100:nodes=%' all_reduce,all_gather '64 KiB,64 MiB,100000007 B' 8 16 24 32
set -euo pipefail
export LC_ALL=C
program=$1 machine=$2
IFS=, read -ra collectives <<<"$3"
IFS=, read -ra sizes <<<"$4"
shift 4
usage=$(mktemp) plan=$(mktemp)
trap 'rm -f "$usage" "$plan"' EXIT
code=0

# field NAME: a number or word of the plan
field() { sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},*\$/\1/p" "$plan"; }

echo 'machine,collective,size,GPUs,processor s,MiB,predicted us,planner'
for collective in "${collectives[@]}"; do
  for size in "${sizes[@]}"; do
    before=0 smaller=''
    [[ $size == *[0-9]' B' ]] && type=uint8 || type=float32
    for count in "$@"; do
      if ! /usr/bin/time -f '%U %S %M' -o "$usage" "$program" plan --topology "${machine//%/$count}" --collective "$collective" --size "$size" \
        --dtype "$type" --json >"$plan" 2>/dev/null; then
        echo "${machine//%/$count}: $collective of $size was not planned" >&2
        code=1
        continue
      fi
      read -r seconds memory < <(tail -n 1 "$usage" | awk '{ printf "%.2f %d\n", $1 + $2, $3 / 1024 }')
      gpus=$(field ranks)
      printf '%s,%s,%s,%d,%s,%s,%.2f,%s\n' "${machine%%:*}" "$collective" "$size" "$gpus" "$seconds" "$memory" "$(field predicted_us)" "$(field algorithm)"
      if awk -v b="$before" -v s="$seconds" 'BEGIN { exit !(b > 2 * s && b > 0.2) }'; then
        echo "$collective of $size: $smaller GPUs took $before s, more than twice the $seconds s of $gpus" >&2
        code=1
      fi
      before=$seconds smaller=$gpus
    done
  done
done
exit "$code"
