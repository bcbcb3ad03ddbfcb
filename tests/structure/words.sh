#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Words that are not used (words.txt): names every place where one stands, and what to write instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
list=tests/structure/words.txt
patterns=$(mktemp)
trap 'rm -f "$patterns"' EXIT
grep -v -e '^#' -e '^$' "$list" | cut -f1 >"$patterns"

# The glossary and the log of changes may name old words, and readers of old files must; those lines say "old word".
found=$(grep -rnwE -f "$patterns" --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh' --include='*.md' --include='*.yaml' \
  --include='*.txt' --include='*.cmake' --include='*.expected' --exclude-dir=build --exclude-dir='build-*' --exclude-dir=out --exclude-dir=corpus \
  --exclude-dir=.git --exclude-dir=structure --exclude=CHANGELOG.md . | grep -v 'old word' || true)
[[ -z $found ]] && exit 0
printf '%s\n' "$found" | cut -c1-200 >&2
printf 'error: %d lines with words that are not used\n' "$(printf '%s\n' "$found" | wc -l)" >&2
while IFS=$'\t' read -r word instead; do
  if printf '%s\n' "$found" | grep -qwE -e "$word"; then printf "note: instead of '%s' write %s\n" "$word" "$instead" >&2; fi
done < <(grep -v -e '^#' -e '^$' "$list")
exit 1
