#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# completion_fish_test.sh PROGRAM: what fish completes after some words. Run by ctest; without fish it says so and is skipped.
set -uo pipefail
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
command -v fish >/dev/null || { echo "skipped: fish is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$program" "$folder/p2plab"
PATH=$folder:$PATH fish --no-config -c '
source experiments/completion/p2plab.fish
set -g code 0
function expect # LINE COMPLETION: it is among those of the line
    contains -- $argv[2] (complete -C $argv[1] | string replace -r "\t.*" ""); and return
    echo "after \"$argv[1]\": no \"$argv[2]\" in "(complete -C $argv[1] | string join " | ")
    set -g code 1
end
expect "p2plab top" topo
expect "p2plab topo sh" show
expect "p2plab mon" monitor
expect "p2plab plan --alg" --algorithm
expect "p2plab plan --topology dgx-v" dgx-v100
expect "p2plab plan --topology configs/8gpu" configs/8gpu_nvlink.yaml
expect "p2plab plan --algorithm two" two_shot
expect "p2plab plan --collective all_r" all_reduce
expect "p2plab export --format msccl-" msccl-xml
expect "p2plab bench --executor ho" host
expect "p2plab run configs/8gpu" configs/8gpu_nvlink.yaml
exit $code'
