#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stands for the compiler in the preset `tidy`: clang-tidy looks at the source, and an empty object says that it found nothing.
#   tidy_unit.sh clang++ [FLAG ...] -o OBJECT -c SOURCE
# Without a source it stands for the linker: of empty objects nothing is to be linked, but sources of other targets wait for its output.
# The sources of a room are looked at together, as most of the time goes into the headers that they share. The analyzer follows paths only through the
# file that it was given, and through sources that a file includes whose path says "UnifiedSource": hence the name of the build folder.
set -euo pipefail
flags=("$@")
source=''
for ((i = 0; i < ${#flags[@]}; ++i)); do
  case ${flags[i]} in
    -o) object=${flags[i + 1]} ;;
    -c) source=${flags[i + 1]} ;;
  esac
done
[[ -n $source ]] || { : >"$object"; exit 0; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# A tenth of the states that the analyzer would visit in a function: all of them take five times as long as everything else.
options=(-Xclang -analyzer-config -Xclang max-nodes=20000)
checks=-bugprone-suspicious-include   # where sources are built together, a source includes sources
case ${source#"$root"} in
  # Tests run under sanitizers, on the paths that they take, and once: speed is worth nothing. They tell a story from end to end, call POSIX, and keep
  # what stands in for drivers and devices, under those' names, where C finds it.
  */tests/*)
    checks+=,-clang-analyzer-*,-performance-*,-modernize-use-emplace,-modernize-deprecated-headers,-readability-function-*
    checks+=,-readability-identifier-naming,-cppcoreguidelines-avoid-non-const-global-variables
    # They run the GPUs' code on CPUs, where clang reads a GPU's instructions even in functions that nobody calls.
    options+=('-Dasm(...)=' -Wno-sign-conversion -Wno-unused -Wno-unused-parameter)
    ;;
  # What other programs load has no owner in them, and calls functions that are found at run time.
  */kernels/src/capi/* | */kernels/src/shim/* | */kernels/src/nccl_*)
    checks+=,-cppcoreguidelines-avoid-non-const-global-variables,-clang-analyzer-core.CallAndMessage,-clang-analyzer-cplusplus.InnerPointer ;;
esac
clang-tidy --quiet --checks="$checks" "$source" -- "${flags[@]:1}" "${options[@]}"
# What it includes: ninja has it looked at again when any of that changes.
"${flags[@]}" -M
: >"$object"
