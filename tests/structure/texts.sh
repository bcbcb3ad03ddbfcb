#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A README says what, how and why in at most 150 lines of at most 110 columns, and leads to the glossary. Examples have at most 60 lines, and links lead
# somewhere.
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
exit "$code"
