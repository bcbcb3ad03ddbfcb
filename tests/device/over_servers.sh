#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two GPUs of this machine as two servers (NCCL_HOSTID), sockets over loopback between them: libp2plab's communicators over servers by all collectives, a
# killed rank, 10,000 calls; torch.distributed under the shim beside NCCL alone, without a table and with one that is tuned here; then plans beside NCCL's
# own all-reduce, their messages by 1, 2 and 4 communicators, NCCL's chunks for both as they are and of 512 KiB. Alone: `carriers` is plans by 1 to 8
# communicators in parts of 64 to 256 KiB, NCCL as it comes and well set for sockets, for both; `passed_on` is large calls that the shim leaves to NCCL;
# `plans` is ring, forest and hierarchical by 10,000 calls and as many replays with fresh data, a killed rank, and plans beside NCCL in two turns.
#   tests/device/over_servers.sh [--bin PROGRAM] [--library libp2plab.so.1] [--ranks 2] [--seconds 600] [--only calls|times|carriers|passed_on|plans]
# Prints each result as it comes. Exit code 0 if all that ran was right, 77 where there are no GPUs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

bin=build/release/experiments/p2plab library=build/release/lib/libp2plab.so.1 ranks=2 seconds=600 only=
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin) bin=$2 ;;
    --library) library=$2 ;;
    --ranks) ranks=$2 ;;
    --seconds) seconds=$2 ;;
    --only) only=$2 ;;
    *) sed -n '3,9s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
nvidia-smi --list-gpus >/dev/null 2>&1 || { echo "skipped: no GPU here"; exit 77; }
export NCCL_NVLS_ENABLE=0 NCCL_SOCKET_IFNAME=${NCCL_SOCKET_IFNAME:-lo} P2PLAB_LIBRARY=$library P2PLAB_PROFILES=${P2PLAB_PROFILES:-$PWD/profiles}
failed=0

# part SHARE WHAT COMMAND...: at most SHARE percent of the time.
part() {
  local limit=$((seconds * $1 / 100)) what=$2 code
  shift 2
  echo "== $what"
  timeout "$limit" "$@"
  code=$?
  [[ $code -eq 0 || $code -eq 77 ]] && return
  failed=1
  echo "== $what: FAILED ($code)"
}

if [[ -z $only || $only == calls ]]; then
  runtime=(python3 tests/device/runtime_ranks.py --ranks "$ranks" --servers 2)
  part 15 "every collective, every type, by stages" "${runtime[@]}" --backend p2p --quick --limit 60
  part 8 "the same with what auto leaves to NCCL" "${runtime[@]}" --quick --limit 30
  part 15 "two servers of two ranks, large calls in slices" python3 tests/device/runtime_ranks.py --ranks 4 --servers 2 --backend p2p --limit 60
  part 5 "a killed rank is named" "${runtime[@]}" --backend p2p --lose
  part 10 "graphs are not waited for without end" python3 tests/device/graphs_before_leaving.py
  part 22 "10,000 calls with fresh data" "${runtime[@]}" --backend p2p --calls 10000 --limit 110
  [[ $only != calls ]] || exit "$failed"
fi

port=$((20000 + $$ % 20000)) work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# launched ARGUMENTS...: p2plab on all ranks, with what each says in files of its own.
launched() {
  local jobs=() rank code=0
  port=$((port + 1))
  for ((rank = 0; rank < ranks; ++rank)); do
    NCCL_HOSTID=server$((rank * 2 / ranks)) RANK=$rank WORLD_SIZE=$ranks P2PLAB_ADDRESS=127.0.0.1:$port \
      timeout 90 "$bin" "$@" --topology "hgx-h200:nodes=2,gpus=$((ranks / 2))" --launched >"$work/$rank" 2>"$work/$rank.err" &
    jobs+=($!)
  done
  for rank in "${jobs[@]}"; do wait "$rank" || code=1; done
  [[ $code -eq 0 ]] || { failed=1; tail -n 2 "$work"/*.err >&2; }
  return "$code"
}
# bench EXECUTOR ALGORITHM FIRST LAST: all ranks; then "size:us ..." of rank 0 is in the file `times`.
bench() {
  launched bench --executor "$1" --algorithm "$2" -d half -b "$3" -e "$4" -f 4 -n 20 -G 1 --json
  python3 - "$work/0" >"$work/times" <<'PY'
import json, sys
try:
    rows = json.load(open(sys.argv[1]))["results"]
    print(" ".join(f'{row["size"]}:{row["out_of_place"]["time"]:.1f}' for row in rows))
except (ValueError, KeyError, TypeError, OSError) as error:
    print(f"not read ({error}): {open(sys.argv[1]).read()[:400]}")
PY
}
# in_time: is there time for one more?
in_time() { [[ $SECONDS -lt $seconds ]] || { echo "== out of time"; return 1; }; }

# What NCCL is set to, then carriers, least part in KiB, plan.
carriers() {
  local set carriers part algorithm executor
  for what in "1 256 itself" "1 256 one_shot" "1 256 two_shot" "4 256 one_shot" "4 256 two_shot" "8 256 one_shot" "8 256 two_shot" "4 64 one_shot" \
    "8 64 one_shot" "4 128 one_shot" "8 128 one_shot" "2 256 one_shot" "2 256 two_shot" "2 64 one_shot" "2 128 one_shot"; do
    read -r carriers part algorithm <<<"$what"
    executor=cuda
    [[ $algorithm == itself ]] && executor=nccl
    for set in usual well; do
      in_time || return
      (
        [[ $set == usual ]] || export NCCL_P2P_NET_CHUNKSIZE=524288 NCCL_SOCKET_NTHREADS=4 NCCL_NSOCKS_PERTHREAD=2
        P2PLAB_CARRIERS=$carriers P2PLAB_CARRIER_PART=$part bench "$executor" "${algorithm/itself/auto}" 256K 64M || exit 1
      ) || failed=1
      port=$((port + 1))
      printf '%-5s carriers %s part %3s %s %-8s %s\n' "$set" "$carriers" "$part" "$executor" "$algorithm" "$(cat "$work/times")" | tee -a "$work/lines"
    done
  done
}
# Of each size the fastest of ours beside NCCL, by what NCCL is set to.
fastest() {
  awk '{ for (i = 8; i <= NF; i++) { split($i, at, ":"); key = $1 " " at[1]; what = $3 " x " $5 " KiB " $7
         if ($6 == "nccl") nccl[key] = at[2]; else if (!(key in best) || at[2] + 0 < best[key] + 0) { best[key] = at[2]; by[key] = what } } }
       END { for (key in best) printf "%s bytes: ours %s us by %s, NCCL %s us: %.2f\n", key, best[key], by[key], nccl[key], nccl[key] / best[key] }' "$work/lines" |
    sort -k1,1 -k2,2n
}
if [[ $only == carriers ]]; then
  part 40 "what further communicators cost" python3 tests/device/carriers_cost.py
  echo "== all-reduce of float16, size:microseconds; NCCL as it comes (usual) and with chunks of 512 KiB by 8 sockets (well)"
  carriers
  echo "== the fastest"
  fastest
  exit "$failed"
fi

if [[ $only == plans ]]; then
  plans=(python3 tests/device/plans_over_servers.py --program "$bin")
  part 20 "plans between servers of one rank" "${plans[@]}" --cases ring:1,forest:1 --seconds $((seconds / 10))
  part 50 "plans between servers of two ranks" "${plans[@]}" --cases hierarchical:2,ring:2,forest:2 --seconds $((seconds / 7))
  part 5 "a killed rank is named" python3 tests/device/runtime_ranks.py --ranks "$ranks" --servers 2 --backend p2p --lose
  echo "== all-reduce of float16, size:microseconds, in turns"
  for turn in 1 2; do
    for what in "nccl auto" "cuda one_shot" "cuda two_shot" "cuda ring"; do
      in_time || exit 1
      read -r executor algorithm <<<"$what"
      bench "$executor" "$algorithm" 1K 16M
      printf 'turn %s, %-13s %s\n' "$turn" "${what/nccl auto/NCCL}" "$(cat "$work/times")"
    done
  done
  exit "$failed"
fi

shim=(python3 tests/device/shim_over_servers.py --ranks "$ranks" --shim "$(cd "$(dirname "$library")" && pwd)" --seconds 60)
if [[ $only == passed_on ]]; then
  P2PLAB_BACKEND=nccl part 100 "large calls that the shim passes on" "${shim[@]}" --sizes 1048576,4194304,16777216 --seconds "$((seconds - 20))" --turns 8
  exit "$failed"
fi
part 15 "torch.distributed under the shim" "${shim[@]}"
echo "== a table, tuned here beside NCCL"
launched tune --gpu --dtype float16 --sizes '1 KiB..16 MiB' --factor 4 --out "$work/table.yaml" && cat "$work/0"
[[ -f $work/table.yaml ]] && part 15 "torch.distributed under the shim, by that table" "${shim[@]}" --tuned "$work/table.yaml"

echo "== all-reduce of float16, size:microseconds, in turns"
for turn in 1 2; do
  for chunk in 131072 524288; do
    for what in "nccl ring 1" "cuda one_shot 1" "cuda two_shot 1" "cuda one_shot 2" "cuda two_shot 2" "cuda one_shot 4" "cuda two_shot 4"; do
      read -r executor algorithm carriers <<<"$what"
      NCCL_P2P_NET_CHUNKSIZE=$chunk P2PLAB_CARRIERS=$carriers bench "$executor" "$algorithm" 1K 16M
      [[ $executor == nccl ]] && algorithm=itself
      printf 'turn %s, chunk %-6s carriers %s, %-14s %s\n' "$turn" "$chunk" "$carriers" "$executor $algorithm" "$(cat "$work/times")"
      in_time || exit 1
    done
  done
done
exit "$failed"
