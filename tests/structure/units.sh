#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# units.sh BUILD_FOLDER: no two sources of one unit, as ./dev compiles them (P2PLAB_LARGE_UNITS), keep a type, a constant or a function of one name and
# list of parameters to themselves: the compiler would refuse the second. BUILD_FOLDER is configured, not built; else a new one is, in a few seconds.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=${1:-}
if [[ -z $folder || $folder == --check ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cmake --preset release -B "$folder" -DP2PLAB_LARGE_UNITS=ON -DP2PLAB_CUDA=OFF >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
fi
bad=0 units=0
while IFS= read -r unit; do
  mapfile -t sources < <(sed -nE 's/^#include "(.*)"$/\1/p' "$unit" | xargs -r ls 2>/dev/null)
  [[ ${#sources[@]} -gt 0 ]] || continue
  ((++units))
  awk '
    # What a source keeps to itself at the outermost level of a namespace without a name.
    function keep(name) {
      if (name in file && file[name] != FILENAME) {
        printf "%s:%d: error: a second %s in the unit of %s\n", FILENAME, FNR, name, place[name] > "/dev/stderr"
        bad = 1
      } else { file[name] = FILENAME; place[name] = FILENAME ":" FNR }
    }
    # "int a, const B& b" is "int,const B&,"
    function types(list,   n, i, part, out) {
      sub(/\)[^)]*$/, "", list)
      n = split(list, part, /, */)
      for (i = 1; i <= n; i++) { sub(/ = .*/, "", part[i]); sub(/[ ]*[a-z_A-Z0-9]+$/, "", part[i]); out = out part[i] "," }
      return out
    }
    FNR == 1 { depth = 0; around = "" }
    /^namespace( [A-Za-z_:0-9]+)? \{$/ { space[++depth] = NF == 2 ? "" : $2; if (NF > 2) around = $2; next }
    /^\}  \/\/ namespace/ { depth--; next }
    depth == 0 || space[depth] != "" { next }
    /^(class|struct|union|enum|enum class|enum struct) [A-Za-z_0-9]+[^;]*$/ {
      line = $0; sub(/^(enum class|enum struct|class|struct|union|enum) /, "", line); match(line, /^[A-Za-z_0-9]+/)
      keep("type " around "::" substr(line, 1, RLENGTH)); next
    }
    /^(inline |static )?(constexpr|const|thread_local) [^(]*[ *&][a-z_A-Z0-9]+( =|\{|\[)/ {
      line = $0; sub(/( =|\{|\[).*/, "", line); n = split(line, word, /[ *&]/)
      keep("constant " around "::" word[n]); next
    }
    /^[A-Za-z_].*[ &*>][a-z_0-9]+\(.*\)[^;]*$/ && !/^(using|static_assert|return|template|typedef|#)/ {
      match($0, /[a-z_0-9]+\(/)
      keep("function " around "::" substr($0, RSTART, RLENGTH) types(substr($0, RSTART + RLENGTH)) ")")
    }
    END { exit bad }' "${sources[@]}" || bad=1
done < <(find "$folder" -path '*.dir/Unity/*_cxx.cxx' -not -path "$folder/*/twins.dir/*" | sort)
((units > 0)) || { echo "error: $folder has no units; is it configured with P2PLAB_LARGE_UNITS?" >&2; exit 1; }
((bad == 0)) && echo "$units units, whose sources keep no two things of one name"
exit "$bad"
