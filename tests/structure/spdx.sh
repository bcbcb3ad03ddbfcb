#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every source file names its licence; `spdx.sh --write` adds the line where it is missing. What others wrote is byte for byte what they published.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
code=0
while IFS= read -r file; do
  if [[ ${1:-} != --write ]]; then
    printf "%s: error: no line 'SPDX-License-Identifier: Apache-2.0'\nnote: tests/structure/spdx.sh --write adds it\n" "$file" >&2
    code=1
    continue
  fi
  case $file in
    *.cmake | */CMakeLists.txt | *.sh | *.awk | *Config.cmake.in | ./dev | ./.ci/run) mark='#' ;;
    *.css) sed -i '1i /* SPDX-License-Identifier: Apache-2.0 */' "$file"; continue ;;
    *) mark='//' ;;
  esac
  if head -n 1 "$file" | grep -q '^#!'; then sed -i "1a $mark SPDX-License-Identifier: Apache-2.0" "$file"
  else sed -i "1i $mark SPDX-License-Identifier: Apache-2.0" "$file"; fi
done < <(find . \( -path './build*' -o -path ./out -o -path ./.git -o -path ./tests/fuzz/corpus -o -path ./experiments/assets/vendor \) -prune -o -type f \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cmake' -o -name '*.in' -o -name '*.sh' -o -name '*.awk' -o -name '*.c' \
  -o -name '*.S' -o -name '*.js' -o -name '*.mjs' -o -name '*.css' -o -name CMakeLists.txt -o -path '*/device_library/*' -o -path ./dev -o -path ./.ci/run \) -print0 | xargs -0 grep -L 'SPDX-License-Identifier: Apache-2.0' | sort)
(cd experiments/assets/vendor && sha256sum --quiet --check SHA256SUMS) >&2 || code=1
exit "$code"
