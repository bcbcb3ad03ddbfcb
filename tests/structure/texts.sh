#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A README says what, how and why in at most 150 lines of at most 110 columns, and leads to the glossary. Examples have at most 60 lines; links lead
# somewhere, and files that comments name exist.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
code=0
while IFS= read -r file; do
  awk -v most=150 -v wide=110 -v file="$file" '
    { text = $0; gsub(/[\200-\277]/, "", text); if (length(text) > wide) { print file ":" FNR ": error: " length(text) " columns, at most " wide; bad = 1 } }
    END { if (NR > most) { print file ": error: " NR " lines, at most " most; bad = 1 } exit bad }' "$file" >&2 || code=1
  grep -q 'GLOSSARY.md' "$file" || { printf '%s: error: no link to GLOSSARY.md\n' "$file" >&2; code=1; }
done < <(find . -name README.md -not -path './build*' -not -path './out*' | sed 's|^./||' | sort)
for file in experiments/examples/*.cpp; do
  lines=$(wc -l <"$file")
  ((lines <= 60)) || { printf '%s: error: %s lines, an example has at most 60\n' "$file" "$lines" >&2; code=1; }
done
# Links between files of the project lead somewhere.
while IFS= read -r file; do
  while IFS= read -r target; do
    [[ -e $(dirname "$file")/$target ]] || { printf '%s: error: a link to %s, which does not exist\n' "$file" "$target" >&2; code=1; }
  done < <(grep -oE '\]\([^)#: ]+\)' "$file" | sed 's/^](//; s/)$//')
done < <(find . -name '*.md' -not -path './build*' -not -path './out*')
# Comments name files that there are; NCCL's and Open MPI's, and what the build writes, are others'.
names=$(git ls-files | sed 's|.*/||')
while IFS=: read -r file line text; do
  for name in $(grep -oE '\b[A-Za-z0-9_]+\.(h|cpp|cu|cuh)\b' <<<"$text"); do
    case $name in topo.h | coll_tuned.h | page_assets.cpp) continue ;; esac
    grep -qx -- "$name" <<<"$names" || { printf '%s:%s: error: a comment names %s, which does not exist\n' "$file" "$line" "$name" >&2; code=1; }
  done
done < <(git grep -nIE '//.*\b[A-Za-z0-9_]+\.(h|cpp|cu|cuh)\b' -- '*.h' '*.cpp' '*.cu' '*.cuh' | sed -E 's|^([^:]*:[0-9]+:).*//|\1|')
exit "$code"
