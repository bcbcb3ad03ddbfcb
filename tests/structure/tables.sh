#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the measured tables in the text from their data files; with --check only says which are out of step. `./dev tables` calls it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-} code=0

while IFS= read -r file; do
  made=$(mktemp)
  awk -f tests/structure/tables.awk "$file" >"$made" || code=1
  if cmp -s "$made" "$file"; then rm "$made"; continue; fi
  if [[ $mode == --check ]]; then
    printf '%s: error: its tables are not those of the data files\nnote: run ./dev tables\n' "$file" >&2
    diff "$file" "$made" | head -6 >&2 || true
    code=1
    rm "$made"
  else
    cat "$made" >"$file"
    rm "$made"
    printf 'wrote the tables of %s\n' "$file"
  fi
done < <(grep -rl --include='*.md' --exclude-dir=build --exclude-dir=out '^<!-- table ' . | sed 's|^\./||' | sort)

# A measured figure says what it was measured on, with which versions, and how.
while IFS= read -r file; do
  for key in machine versions method; do
    grep -q "^# $key: " "$file" || { printf "%s: error: no line '# %s: ...'\n" "$file" "$key" >&2; code=1; }
  done
done < <(find . -path '*/measurements/*.csv' -not -path './build*' | sort)
exit "$code"
