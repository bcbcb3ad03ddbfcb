#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No two files define different types of one qualified name: the linker would take either. Types in unnamed namespaces are a file's own; not_built.cpp
# is built only where the sources that it stands for are not.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[[ ${1:-} == --check ]] && shift
folders=("$@")
[[ ${#folders[@]} -gt 0 ]] || folders=(framework algorithms simulator kernels experiments)
find "${folders[@]}" -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -not -name not_built.cpp 2>/dev/null | sort | xargs awk '
  FNR == 1 { depth = 0 }
  /^namespace( [A-Za-z_:0-9]+)? \{$/ { space[++depth] = NF == 2 ? "" : $2; next }
  /^\}  \/\/ namespace/ { depth--; next }
  /^(class|struct|union|enum|enum class|enum struct) [A-Za-z_0-9]+( final)?( : [^;]*)? ?(\{.*)?$/ {
    qualified = ""
    for (i = 1; i <= depth; i++) { if (space[i] == "") next; qualified = qualified space[i] "::" }
    match($0, /(class|struct|union|enum) [A-Za-z_0-9]+/)
    words = split($0, word, /[ :{]+/)
    name = word[1] == "enum" && (word[2] == "class" || word[2] == "struct") ? word[3] : word[2]
    qualified = qualified name
    if (qualified in first && first[qualified] != FILENAME) {
      printf "%s:%d: error: a second type %s; the first is at %s\n", FILENAME, FNR, qualified, place[qualified]
      bad = 1
    } else if (!(qualified in first)) { first[qualified] = FILENAME; place[qualified] = FILENAME ":" FNR; count++ }
  }
  END { printf "%d types, each defined in one file\n", count > (bad ? "/dev/stderr" : "/dev/stdout"); exit bad }'
