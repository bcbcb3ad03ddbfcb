#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpirun_test.sh PROGRAM: every planner and collective over 2 to 4 servers of 1 to 4 ranks, started by the mpirun of Open MPI and of MPICH, whichever are
# there, on real data. One call of each in one job; P2PLAB_TEST_CALLS=10000 makes so many of each, every one with data of its own, in a job of its own
# (P2PLAB_TEST_SHAPES="2x1 2x2": of these servers and ranks only). Exit code 77, with the reason, where there is neither.
set -uo pipefail
program=$1
calls=${P2PLAB_TEST_CALLS:-0} shapes=${P2PLAB_TEST_SHAPES:-2x1 2x3 3x2 4x3}
launchers=()
command -v mpirun.openmpi >/dev/null && launchers+=("mpirun.openmpi --allow-run-as-root --oversubscribe")
command -v mpiexec.hydra >/dev/null && launchers+=("mpiexec.hydra")
[[ ${#launchers[@]} -gt 0 ]] || { echo "skipped: neither Open MPI nor MPICH (apt install openmpi-bin, mpich)"; exit 77; }
collectives=(all_reduce reduce_scatter all_gather broadcast reduce gather scatter all_to_all send_receive)
planners=(ring tree forest hierarchical halving_doubling bruck one_shot two_shot pairwise flow latency)
list() { local IFS=,; echo "$*"; }
export P2PLAB_SECRET=0123456789abcdef
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
port=$((20000 + $$ % 9000))
# job NODES RANKS ARGUMENTS...: one job; what rank 0 says. Ranks inherit the environment on this machine.
job() {
  local nodes=$1 ranks=$2
  shift 2
  port=$((port + 1))
  P2PLAB_ADDRESS=127.0.0.1:$port $launcher -n $((nodes * ranks)) "$program" "$@" --launched 2>&1
}
# verdict WHAT PATTERN TEXT
verdict() {
  if grep -Eq "$2" <<<"$3"; then echo "right: $1"; else failed=1; echo "WRONG: $1: $3"; fi
}

for launcher in "${launchers[@]}"; do
  for shape in $shapes; do
    nodes=${shape%x*} ranks=${shape#*x}
    what="${launcher%% *}, $nodes servers of $ranks"
    if [[ $calls -eq 0 ]]; then
      cat >"$work/all.yaml" <<END
version: 1
name: every planner
topology: {preset: hgx-h100, nodes: $nodes, gpus: $ranks}
collectives: [$(list "${collectives[@]}")]
algorithms: [$(list "${planners[@]}")]
sizes: [1 KiB]
executors: [host]
END
      said=$(job "$nodes" "$ranks" run "$work/all.yaml")
      verdict "$what, $(grep -Eo 'right in all [0-9]+ rows' <<<"$said")" 'right in all [5-9][0-9] rows tried' "$said"
      continue
    fi
    for planner in "${planners[@]}"; do
      for collective in "${collectives[@]}"; do
        said=$(job "$nodes" "$ranks" bench --executor host --topology "hgx-h100:nodes=$nodes,gpus=$ranks" --algorithm "$planner" \
          --collective "$collective" -b 1000 -e 1000 -w 0 -n "$calls")
        grep -q "$planner does not do $collective\|$planner needs" <<<"$said" && continue
        verdict "$what, $planner, $collective, $calls calls" 'Out of bounds values : 0 OK' "$said"
      done
    done
  done
done
exit "$failed"
