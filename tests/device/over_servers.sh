#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two GPUs of this machine as two servers (NCCL_HOSTID), sockets over loopback between them: libp2plab's communicators over servers by all collectives, a
# killed rank, 10,000 calls; then plans beside NCCL's own all-reduce, with 1, 2, 4 and 8 channels a peer for both.
#   tests/device/over_servers.sh [--bin PROGRAM] [--library libp2plab.so.1] [--ranks 2] [--seconds 500]
# Prints each result as it comes. Exit code 0 if all that ran was right, 77 where there are no GPUs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

bin=build/release/experiments/p2plab library=build/release/lib/libp2plab.so.1 ranks=2 seconds=500
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin) bin=$2 ;;
    --library) library=$2 ;;
    --ranks) ranks=$2 ;;
    --seconds) seconds=$2 ;;
    *) sed -n '3,6s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
nvidia-smi --list-gpus >/dev/null 2>&1 || { echo "skipped: no GPU here"; exit 77; }
export NCCL_NVLS_ENABLE=0 NCCL_SOCKET_IFNAME=${NCCL_SOCKET_IFNAME:-lo} P2PLAB_LIBRARY=$library
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

runtime=(python3 tests/device/runtime_ranks.py --ranks "$ranks" --servers 2)
part 15 "every collective, every type, by stages" "${runtime[@]}" --backend p2p --quick --limit 60
part 8 "the same with what auto leaves to NCCL" "${runtime[@]}" --quick --limit 30
part 15 "two servers of two ranks, large calls in slices" python3 tests/device/runtime_ranks.py --ranks 4 --servers 2 --backend p2p --limit 60
part 5 "a killed rank is named" "${runtime[@]}" --backend p2p --lose
part 22 "10,000 calls with fresh data" "${runtime[@]}" --backend p2p --calls 10000 --limit 110

# bench CHANNELS EXECUTOR ALGORITHM: all ranks; then "size:us ..." of rank 0 is in the file `times`.
port=$((20000 + $$ % 20000))
bench() {
  local jobs=() rank
  port=$((port + 1))
  for ((rank = 0; rank < ranks; ++rank)); do
    NCCL_NCHANNELS_PER_NET_PEER=$1 NCCL_HOSTID=server$((rank * 2 / ranks)) RANK=$rank WORLD_SIZE=$ranks P2PLAB_ADDRESS=127.0.0.1:$port \
      timeout 60 "$bin" bench --executor "$2" --algorithm "$3" --topology "hgx-h200:nodes=2,gpus=$((ranks / 2))" --launched \
      -d half -b 1K -e 16M -f 4 -n 20 -G 1 --json >"$work/$rank" 2>"$work/$rank.err" &
    jobs+=($!)
  done
  for rank in "${jobs[@]}"; do wait "$rank" || { failed=1; tail -n 2 "$work"/*.err >&2; }; done
  python3 - "$work/0" >"$work/times" <<'EOF'
import json, sys
try:
    rows = json.load(open(sys.argv[1]))["results"]
    print(" ".join(f'{row["size"]}:{row["out_of_place"]["time"]}' for row in rows))
except (ValueError, KeyError, TypeError, OSError) as error:
    print(f"not read ({error}): {open(sys.argv[1]).read()[:400]}")
EOF
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "== all-reduce of float16, size:microseconds, in turns"
for channels in 1 2 4 8; do
  for turn in 1 2; do
    for what in "nccl ring" "cuda one_shot" "cuda two_shot"; do
      read -r executor algorithm <<<"$what"
      bench "$channels" "$executor" "$algorithm"
      [[ $executor == nccl ]] && algorithm=itself
      printf 'channels %s, turn %s, %-14s %s\n' "$channels" "$turn" "$executor $algorithm" "$(cat "$work/times")"
    done
    [[ $SECONDS -gt $seconds ]] && { echo "== out of time"; exit 1; }
  done
done
exit "$failed"
