#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpirun_test.sh PROGRAM: plans over 2 to 4 servers of 1 to 4 ranks, started by the mpirun of Open MPI and of MPICH, whichever are there, on real data.
# P2PLAB_TEST_CALLS calls of each (20). Exit code 77, with the reason, where there is neither.
set -uo pipefail
program=$1
calls=${P2PLAB_TEST_CALLS:-20}
launchers=()
command -v mpirun.openmpi >/dev/null && launchers+=("mpirun.openmpi --allow-run-as-root --oversubscribe")
command -v mpiexec.hydra >/dev/null && launchers+=("mpiexec.hydra")
[[ ${#launchers[@]} -gt 0 ]] || { echo "skipped: neither Open MPI nor MPICH (apt install openmpi-bin, mpich)"; exit 77; }
export P2PLAB_SECRET=0123456789abcdef
failed=0
port=$((20000 + $$ % 9000))
for launcher in "${launchers[@]}"; do
  for shape in "2 1 ring" "2 2 hierarchical" "3 1 forest" "4 2 ring"; do
    read -r nodes ranks algorithm <<<"$shape"
    port=$((port + 1))
    # Ranks inherit the environment on this machine.
    said=$(P2PLAB_ADDRESS=127.0.0.1:$port timeout 120 $launcher -n $((nodes * ranks)) "$program" bench --executor host --launched \
      --topology "hgx-h100:nodes=$nodes,gpus=$ranks" --algorithm "$algorithm" -b 1000 -e 10000 -f 10 -n "$calls" 2>&1)
    if grep -q 'Out of bounds values : 0 OK' <<<"$said" && grep -q "of $nodes servers" <<<"$said"; then
      echo "right: ${launcher%% *}, $nodes servers of $ranks, $algorithm"
    else
      failed=1
      echo "WRONG: ${launcher%% *}, $nodes servers of $ranks, $algorithm: $said"
    fi
  done
done
exit "$failed"
