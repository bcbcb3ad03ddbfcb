#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# completion_zsh_test.sh PROGRAM: what zsh makes of some lines when Tab is pressed, in a terminal of its own. Run by ctest; without zsh it says so and
# is skipped.
set -uo pipefail
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
command -v zsh >/dev/null || { echo "skipped: zsh is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$program" "$folder/p2plab"
PATH=$folder:$PATH zsh -f -s "$folder" <<'TYPED'
zmodload zsh/zpty
code=0
# After Tab and Ctrl-G the line that stands there is said in brackets.
zpty shell zsh -f -i
zpty -w shell "PROMPT=; fpath=($PWD/experiments/completion \$fpath); autoload -Uz compinit; compinit -u -d $1/dump
  said() { print -r -- \"<<\$BUFFER>>\"; BUFFER= }; zle -N said; bindkey '^I' complete-word '^G' said; unsetopt beep auto_menu; stty cols 300; print begin''s"
text=
until [[ $text == *begins* ]]; do zpty -r shell text; done
expect() { # LINE WANTED: the line becomes that
  local text
  zpty -w -n shell "$1"$'\t\a'
  until [[ $text == *'<<'*'>>'* ]]; do zpty -r shell text || break; done
  text=${${text##*'<<'}%%'>>'*}
  [[ ${text%% } == $2 ]] || { print -r -- "'$1' became '$text', not '$2'"; code=1 }
}
expect "p2plab topo sh" "p2plab topo show"
expect "p2plab mon" "p2plab monitor"
expect "p2plab plan --alg" "p2plab plan --algorithm"
expect "p2plab plan --topology dgx-v" "p2plab plan --topology dgx-v100"
expect "p2plab plan --topology configs/8gpu" "p2plab plan --topology configs/8gpu_nvlink.yaml"
expect "p2plab plan --algorithm two" "p2plab plan --algorithm two_shot"
expect "p2plab plan --collective all_r" "p2plab plan --collective all_reduce"
expect "p2plab bench --executor ho" "p2plab bench --executor host"
expect "p2plab run configs/8gpu" "p2plab run configs/8gpu_nvlink.yaml"
exit $code
TYPED
