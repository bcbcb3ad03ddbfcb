#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Steps on GPUs: are they all there, in order and within their calls, is the data right, what do levels of recording cost, and what does a run show?
#   tests/device/steps.sh [--bin build/release] [--out out/steps] [--ranks 2] [--gpus 2]
# Ranks may share GPUs. About three minutes on two H200s. Each part says what it found as it goes; exit code 0 if every part was right.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=build/release out=out/steps ranks=2 gpus=2
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin) bin=$2 ;;
    --out) out=$2 ;;
    --ranks) ranks=$2 ;;
    --gpus) gpus=$2 ;;
    *) sed -n '3,5s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
export NCCL_NVLS_ENABLE=0
mkdir -p "$out"
failed=0
complain() { echo "WRONG: $*"; failed=1; }

echo "== kernels' notes, checked one by one, of packets, code made for programs, slices, bulk copies"
timeout 300 "$bin/tests/device/cuda_test" --gtest_filter='NotedStepsOnGpus*' || complain "the test of noted steps"

echo "== what levels cost, in turns (aims in graphs: basic 0.5 %, detailed 1 %, steps 5 %)"
timeout 400 "$bin/tests/device/p2plab_recording_cost" "$bin/lib/libp2plab.so" "$out" "$ranks" "$gpus" | tee "$out/cost.txt"
code=${PIPESTATUS[0]}
[[ $code -ne 77 ]] || { echo "skipped: this needs $gpus GPUs"; exit 77; }
[[ $code -eq 0 ]] || complain "replays were miscounted, or it ended with $code"

echo "== the record of level steps: every call that it still has, its steps within it"
"$bin/experiments/p2plab" monitor --dir "$out/steps" --ended --once --json --steps >"$out/steps.jsonl" || complain "the record cannot be read"
awk -F'[:,]' '
  /"event":"call"/ { ++calls }
  /"event":"step"/ { ++steps; for (i = 1; i < NF; ++i) { if ($i == "\"us\"") us = $(i + 1) + 0; if ($i == "\"waited_us\"") waited = $(i + 1) + 0; if ($i == "\"from_us\"") from = $(i + 1) + 0 }
                     if (waited > us + 0.001) ++longer; if (from < -20) ++early; if (from > most) most = from }
  END { printf "%d calls, %d steps, the latest begun %.1f us after its call; %d waited longer than they took, %d begun over 20 us before their call\n", calls, steps, most, longer, early
        exit longer + early > 0 || steps == 0 }' "$out/steps.jsonl" || complain "steps do not fit their calls"
"$bin/experiments/p2plab" explain "$out/steps" | tail -n 4

if [[ $gpus -ge 2 ]]; then
  echo "== a run: predicted beside measured"
  cat >"$out/config.yaml" <<YAML
version: 1
topology: {preset: hgx-h200, gpus: $gpus}
collectives: [all_reduce]
algorithms: [one_shot, two_shot, ring]
sizes: [1 KiB, 64 KiB, 1 MiB, 64 MiB]
dtype: float16
executors: [simulator, cuda]
YAML
  timeout 300 "$bin/experiments/p2plab" run "$out/config.yaml" --out "$out/run" >"$out/run.txt" || complain "the run"
  sed -n '/^Found/,$p' "$out/run.txt"
  for trace in "$out"/run/trace_*.json; do
    grep -q 'measured by cuda' "$trace" || complain "$trace has no measured steps"
  done
fi
exit "$failed"
