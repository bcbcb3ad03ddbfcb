#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpich_test.sh P2PLAB: MPICH itself reads what `export --format mpich` writes, and its collectives are right under it. Run by ctest; 77: skipped.
set -uo pipefail
program=$1 code=0 folder=$(mktemp -d) here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
trap 'rm -rf "$folder"' EXIT
fail() { printf '%s\n' "$*"; code=1; }
mpiexec=$(command -v mpiexec.mpich || command -v mpiexec.hydra) || { echo "SKIPPED: no MPICH (apt install mpich)"; exit 77; }
python3 -c 'import ctypes; ctypes.CDLL("libmpich.so.12")' 2>/dev/null || { echo "SKIPPED: no libmpich.so.12"; exit 77; }
run() { MPIR_CVAR_COLL_SELECTION_TUNING_JSON_FILE=$1 timeout 60 "$mpiexec" -n 4 python3 "$here/mpich_run.py" >"$folder/out" 2>&1; }

for each in all_reduce:halving_doubling all_gather:ring all_gather:bruck reduce_scatter:halving_doubling all_to_all:pairwise all_to_all:bruck; do
  "$program" plan --topology hgx-h200:gpus=4 --collective "${each%:*}" --algorithm "${each#*:}" --out "$folder/plan.json" >"$folder/out" 2>&1 || fail "no plan for $each: $(<"$folder/out")"
  "$program" export "$folder/plan.json" --format mpich --out "$folder/tuning.json" >"$folder/out" 2>&1 || fail "no export of $each: $(<"$folder/out")"
  run "$folder/tuning.json" || fail "MPICH with $each: $(tail -5 "$folder/out")"
done
# That the file is read at all: MPICH ends where a collective is missing.
python3 - "$folder/tuning.json" "$folder/short.json" <<'PY'
import json, sys
whole = json.load(open(sys.argv[1]))
del whole["collective=bcast"]
json.dump(whole, open(sys.argv[2], "w"))
PY
run "$folder/short.json" && fail "MPICH takes a file without broadcasts, so this one may not be read"
exit "$code"
