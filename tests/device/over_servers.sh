#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two GPUs of this machine as two servers (NCCL_HOSTID), sockets over loopback between them: libp2plab's communicators over servers by all collectives, a
# killed rank, 10,000 calls; torch.distributed under the shim beside NCCL alone, without a table and with one that is tuned here; then plans beside NCCL's
# own all-reduce, their messages by 1, 2 and 4 communicators, NCCL's chunks for both as they are and of 512 KiB.
#   tests/device/over_servers.sh [--bin PROGRAM] [--library libp2plab.so.1] [--ranks 2] [--seconds 600] [--only calls|times]
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
    *) sed -n '3,7s/^# //p' "$0" >&2; exit 2 ;;
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

if [[ $only != times ]]; then
  runtime=(python3 tests/device/runtime_ranks.py --ranks "$ranks" --servers 2)
  part 15 "every collective, every type, by stages" "${runtime[@]}" --backend p2p --quick --limit 60
  part 8 "the same with what auto leaves to NCCL" "${runtime[@]}" --quick --limit 30
  part 15 "two servers of two ranks, large calls in slices" python3 tests/device/runtime_ranks.py --ranks 4 --servers 2 --backend p2p --limit 60
  part 5 "a killed rank is named" "${runtime[@]}" --backend p2p --lose
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
shim=(python3 tests/device/shim_over_servers.py --ranks "$ranks" --shim "$(cd "$(dirname "$library")" && pwd)" --seconds 60)
part 15 "torch.distributed under the shim" "${shim[@]}"
echo "== a table, tuned here beside NCCL"
launched tune --gpu --dtype float16 --sizes '1 KiB..16 MiB' --factor 4 --out "$work/table.yaml" && cat "$work/0"
[[ -f $work/table.yaml ]] && part 15 "torch.distributed under the shim, by that table" "${shim[@]}" --tuned "$work/table.yaml"

# bench EXECUTOR ALGORITHM: all ranks; then "size:us ..." of rank 0 is in the file `times`.
bench() {
  launched bench --executor "$1" --algorithm "$2" -d half -b 1K -e 16M -f 4 -n 20 -G 1 --json
  python3 - "$work/0" >"$work/times" <<'EOF'
import json, sys
try:
    rows = json.load(open(sys.argv[1]))["results"]
    print(" ".join(f'{row["size"]}:{row["out_of_place"]["time"]}' for row in rows))
except (ValueError, KeyError, TypeError, OSError) as error:
    print(f"not read ({error}): {open(sys.argv[1]).read()[:400]}")
EOF
}
echo "== all-reduce of float16, size:microseconds, in turns"
for turn in 1 2; do
  for chunk in 131072 524288; do
    for what in "nccl ring 1" "cuda one_shot 1" "cuda two_shot 1" "cuda one_shot 2" "cuda two_shot 2" "cuda one_shot 4" "cuda two_shot 4"; do
      read -r executor algorithm carriers <<<"$what"
      NCCL_P2P_NET_CHUNKSIZE=$chunk P2PLAB_CARRIERS=$carriers bench "$executor" "$algorithm"
      [[ $executor == nccl ]] && algorithm=itself
      printf 'turn %s, chunk %-6s carriers %s, %-14s %s\n' "$turn" "$chunk" "$carriers" "$executor $algorithm" "$(cat "$work/times")"
      [[ $SECONDS -gt $seconds ]] && { echo "== out of time"; exit 1; }
    done
  done
done
exit "$failed"
