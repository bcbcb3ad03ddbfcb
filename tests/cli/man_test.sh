#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# man_test.sh PROGRAM: every command has a page that man shows without a warning and within 80 columns, but for examples. Run by ctest; without man it
# says so and is skipped.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
command -v man >/dev/null || { echo "skipped: man is not installed"; exit 77; }
folder=$(mktemp -d) code=0
trap 'rm -rf "$folder"' EXIT
bash experiments/man/make_man.sh "$1" "$folder" || exit 1
complain() { printf '%s: %s\n' "$1" "$2"; code=1; }
for word in plan run bench monitor compare topo-show; do [[ -s $folder/p2plab-$word.1 ]] || complain "$word" "no page"; done
for page in "$folder"/*.1; do
  said=$(MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>&1 >"$folder/shown" | head -n 3)
  [[ -z $said ]] || complain "${page##*/}" "$said"
  wide=$(sed 's/.\x08//g' "$folder/shown" | grep -v '^ *p2plab ' | awk 'length > 80' | head -n 1)
  [[ -z $wide ]] || complain "${page##*/}" "wider than 80 columns: $wide"
  for part in NAME SYNOPSIS 'EXIT STATUS'; do grep -q "^$part" <(sed 's/.\x08//g' "$folder/shown") || complain "${page##*/}" "no $part"; done
done
exit "$code"
