#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How large the rooms and what lies in them are: sources a folder (at most 25, nine of ten at most 18), folders below src/ (at most 4 deep), lines a
# file (at most 300), lines a function (at most 60). Prints median, ninth decile and greatest; says each that is over its limit.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
code=0

sources() {
  find framework algorithms simulator kernels experiments tests -type f \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.c' \) -not -path '*/build/*' | sort
}

# figures NAME LIMIT_OF_NINE_IN_TEN LIMIT, lines "number name" on stdin: the summary, and what is over a limit.
figures() {
  sort -n | awk -v what="$1" -v most="$2" -v limit="$3" '
    { number[NR] = $1; name[NR] = $2 }
    END {
      nine = int((NR * 9 + 9) / 10)
      printf "%-22s %6d  median %4d  nine of ten %4d  greatest %4d (%s)\n", what, NR, number[int((NR + 1) / 2)], number[nine], number[NR], name[NR]
      for (i = 1; i <= NR; i++) if (number[i] > limit) { printf "%s: error: %d %s, at most %d are allowed\n", name[i], number[i], what, limit; bad = 1 }
      if (number[nine] > most) { printf "error: nine of ten have up to %d %s, at most %d are allowed\n", number[nine], what, most; bad = 1 }
      exit bad
    }'
}

sources | xargs -n 1 dirname | sort | uniq -c | awk '{print $1, $2}' | figures "sources a folder" 18 25 || code=1
sources | sed -n 's|/[^/]*$||; s|^\([a-z]*/src\)/*\(.*\)$|\2 \1/\2|p' | sort -u |
  awk '{ print gsub("/", "/", $1) + ($1 != ""), $2 }' | figures "folders below src" 4 4 || code=1
scripts() { find experiments/assets/page tests/browser -type f \( -name '*.js' -o -name '*.mjs' -o -name '*.css' \) | sort; }
{ sources; scripts; } | xargs wc -l | awk '$2 != "total" {print $1, $2}' | figures "lines a file" 300 300 || code=1

# A function begins where its declaration begins and ends at the brace below it; clang-format sees to the indentation.
sources | xargs awk '
  FNR == 1 { depth = 0; fresh = 1 }
  {
    match($0, /^ */); indent = RLENGTH
    if (fresh) { start = FNR; begin = indent; head = $0 }
    while (depth > 0 && indent == at[depth] && substr($0, indent + 1) ~ /^\}/) { print FNR - from[depth] + 1, FILENAME ":" from[depth]; depth-- ; break }
    if ($0 ~ /\) (const |noexcept |override |final |-> [^;]* )*\{$/ && head !~ /^ *(if|for|while|switch|else|do|namespace|return|\}|case)/ && head !~ /= \[/ && head !~ /\[[^\]]*\]\(/) {
      depth++; at[depth] = begin; from[depth] = start
    }
    fresh = ($0 ~ /[;{}:]$/ || $0 ~ /^ *$/ || $0 ~ /^ *(\/\/|#)/ || $0 ~ /\/\/ /)
  }' | figures "lines a function" 60 60 || code=1
exit "$code"
