#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Asks a machine's GPUs everything in one call: is every plan right on them, how fast is all-reduce beside NCCL, how near were the predictions.
#   tests/device/measure.sh [--bin DIR] [--out DIR] [--ranks "5 6 7 8"] [--config configs/8gpu_nvlink.yaml] [--seconds 560]
# DIR of --bin holds p2plab and p2plab_gpu_bench (default: build/release, built if it is not there). Each part has its share of the time, and what is
# done stays in --out when a later part fails or is cut off. Exit code 0 if every part that ran was right.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

bin='' out=out/gpus ranks='' config=configs/8gpu_nvlink.yaml seconds=560
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin) bin=$2 ;;
    --out) out=$2 ;;
    --ranks) ranks=$2 ;;
    --config) config=$2 ;;
    --seconds) seconds=$2 ;;
    *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done

say() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }
failed=0
# part NAME SHARE COMMAND...: runs a part for at most SHARE percent of the time, its output in the file NAME.
part() {
  local name=$1 limit=$((seconds * $2 / 100))
  shift 2
  say "$name (at most $limit s)"
  timeout "$limit" "$@" >"$out/$name" 2>"$out/$name.log"
  local code=$?
  [[ $code -eq 0 ]] && return
  failed=1
  say "$name ended with $code: $(tail -n 1 "$out/$name.log")"
}

gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l)
[[ $gpus -gt 1 ]] || { echo "error: this needs at least two GPUs; nvidia-smi lists $gpus" >&2; exit 1; }
[[ -n $ranks ]] || ranks=$(seq -s ' ' $((gpus > 4 ? 5 : 2)) "$gpus")
if [[ -z $bin ]]; then
  ./dev build && ninja -C build/release p2plab_gpu_bench >&2 || exit 1
  bin=build/release/bin
  mkdir -p "$bin" && ln -sf ../experiments/p2plab ../tests/bench/p2plab_gpu_bench "$bin/"
fi
mkdir -p "$out"
# NVLink multicast stays off for NCCL too: what is compared are links and algorithms.
export NCCL_NVLS_ENABLE=0

state=(nvidia-smi --query-gpu=index,name,driver_version,clocks.sm,clocks.mem,clocks_event_reasons.active,ecc.errors.uncorrected.volatile.total --format=csv)
part machine.csv 2 "${state[@]}"
part topology.txt 1 nvidia-smi topo -m
count=$(wc -w <<<"$ranks")
for n in $ranks; do part "check_$n.txt" $((45 / count)) "$bin/p2plab_gpu_bench" check "$n"; done
for n in $ranks; do
  part "all_reduce_$n.csv" $((35 / count)) "$bin/p2plab_gpu_bench" time all_reduce "$n" 1024 $((512 << 20)) one_shot:tuned two_shot:tuned ring:tuned nccl
done
part run.txt 15 "$bin/p2plab" run "$config" --out "$out/run"
part machine_after.csv 2 "${state[@]}"
say "done; the results are in $out"
exit "$failed"
