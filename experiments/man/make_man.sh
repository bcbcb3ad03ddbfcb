#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make_man.sh PROGRAM FOLDER: man pages from the program's own --help, so that they never say anything else: p2plab.1 and a page for each command.
set -euo pipefail
program=$1 folder=$2
here=$(dirname "${BASH_SOURCE[0]}")
mkdir -p "$folder"
version=$("$program" --version | awk '{print $2}')

page() { # page WORD...: that of a command, then those of its commands
  local name="p2plab" word _
  for word in "$@"; do name+="-$word"; done
  "$program" "$@" --help | awk -v command="p2plab $*" -v name="$name" -v version="$version" -f "$here/help_to_man.awk" >"$folder/$name.1"
  # A command's own commands follow "Subcommands:"; one with another name is "monitor, top".
  while read -r word _; do page "$@" "${word%,}"; done < <("$program" "$@" --help | awk '/^Subcommands:/ {inside = 1; next} /^[^ ]/ {inside = 0} inside && /^  [a-z]/')
}
page
