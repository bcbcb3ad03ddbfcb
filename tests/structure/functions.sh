#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# functions.sh LIBRARY.a...: no two sources define a function of one name and signature, whatever it returns: the linker would take either, silently,
# where they lie in libraries.
set -euo pipefail
[[ $# -gt 0 ]] || { echo "usage: functions.sh LIBRARY.a..." >&2; exit 2; }
nm --defined-only "$@" | awk '$2 == "T" { print $3 }' | sort | uniq -c | c++filt | awk '
  { count++ }
  $1 > 1 { $1 = ""; printf "error: defined more than once:%s\n", $0; bad = 1 }
  END { if (count == 0) { print "error: no functions found"; bad = 1 } else printf "%d functions\n", count; exit bad }'
