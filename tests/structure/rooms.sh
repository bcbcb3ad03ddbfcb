#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inside a library a room knows only itself and the rooms named before it in the library's CMakeLists.txt. A public header belongs to the room that
# defines what it declares (the source of its name); one without a source belongs to nobody.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
libraries=(framework algorithms simulator)
code=0
for library in "${libraries[@]}"; do
  mapfile -t files < <(find "$library/src" -type f \( -name '*.cpp' -o -name '*.h' \) | sort)
  awk -v library="$library" '
    function room_of(path,  part) { split(path, part, "/"); return part[3] }
    FILENAME ~ /CMakeLists.txt$/ {
      if ($0 ~ /^p2plab_rooms\(/) {
        gsub(/^p2plab_rooms\([a-z]+ PART [a-z_]+ ROOMS | (QUICK|LEAN)_BUILD|\)$/, "")
        named = split($0, list, " ")
        for (i = 1; i <= named; i++) if (list[i] != "/") place[list[i]] = ++rooms
      }
      next
    }
    FNR == 1 && !counted {
      counted = 1
      for (i = 2; i < ARGC; i++) {
        known[ARGV[i]] = 1
        if (ARGV[i] ~ /\.cpp$/) { stem = ARGV[i]; sub(/.*\//, "", stem); sub(/\.cpp$/, "", stem); twice = stem in defined; defined[stem] = twice ? "" : room_of(ARGV[i]) }
      }
    }
    /^#include "/ {
      header = $2; gsub(/"/, "", header)
      from = room_of(FILENAME); to = ""
      if ((library "/src/" header) in known) to = room_of(library "/src/" header)
      else if (header ~ /^p2plab\// && (getline line < (library "/include/" header)) > 0) {
        close(library "/include/" header)
        stem = header; sub(/.*\//, "", stem); sub(/\.h$/, "", stem); to = defined[stem]
      }
      if (to == "" || to == from) next
      arrows[from " " to] = 1
      if (!(from in place) || !(to in place)) { printf "%s:%d: error: the room %s is not in %s/CMakeLists.txt\n", FILENAME, FNR, (from in place) ? to : from, library; bad = 1 }
      else if (place[to] > place[from]) { printf "%s:%d: error: %s includes %s of %s, which comes after it\n", FILENAME, FNR, from, header, to; bad = 1 }
    }
    END { for (arrow in arrows) count++; printf "%-12s %2d rooms, %2d arrows\n", library, rooms, count; exit bad }
  ' "$library/CMakeLists.txt" "${files[@]}" || code=1
done
exit "$code"
