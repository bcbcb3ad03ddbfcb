#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# completion_test.sh PROGRAM: what bash completes after some words. Run by ctest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
source experiments/completion/p2plab.bash
program=$1 code=0

# expect WORD... -- COMPLETION: it is among those of the last word.
expect() {
  local words=("$program") wanted=${*: -1}
  while [[ $1 != -- ]]; do words+=("$1"); shift; done
  COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
  _p2plab
  [[ " ${COMPREPLY[*]} " == *" $wanted "* ]] || { printf "after '%s': no '%s' in '%s'\n" "${words[*]:1}" "$wanted" "${COMPREPLY[*]}"; code=1; }
}
expect top -- topo
expect topo sh -- show
expect mon -- monitor
expect to -- top
expect plan --alg -- --algorithm
expect plan --topology dgx-v -- dgx-v100
expect plan --algorithm two -- two_shot
expect plan --collective all_r -- all_reduce
expect run configs/8gpu -- configs/8gpu_nvlink.yaml
exit "$code"
