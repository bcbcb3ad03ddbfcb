#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `./dev build` without a terminal says how far it is while it builds, and ninja's errors where it fails. Ninja is a stand-in here. Run by ctest.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/bin" "$scratch/build/release"
cp "$here/dev" "$scratch/"
touch "$scratch/build/release/build.ninja"
mkfifo "$scratch/seen"

# It ends when its progress has been seen: if that is never said, this test runs into its time limit.
cat >"$scratch/bin/ninja" <<'TEXT'
#!/usr/bin/env bash
[[ " $* " == *" -n "* ]] && { echo "[1/3] would build"; exit 0; }
echo "[2/3] Building CXX object a.o"
read -r word <"$(dirname "$0")/../seen"
echo "a.cpp:1: $word"
[[ $word == done ]]
TEXT
# Packages are none of this test's concern.
printf '#!/usr/bin/env bash\necho "install ok installed"\n' >"$scratch/bin/dpkg-query"
chmod +x "$scratch/bin/"*

# build WORD: what `./dev build` says when ninja is told WORD as soon as progress was said.
build() {
  PATH="$scratch/bin:$PATH" P2PLAB_PROGRESS_SECONDS=1 "$scratch/dev" build 2>&1 | while IFS= read -r line; do
    printf '%s\n' "$line"
    if [[ $line == 'building release: 2 of 3 steps after '* && -z ${told:-} ]]; then told=1; printf '%s\n' "$1" >"$scratch/seen"; fi
  done
}
good=$(build done) || { printf 'a build that works fails:\n%s\n' "$good"; exit 1; }
[[ $good == *'built build/p2plab' && $good != *a.cpp* ]] || { printf 'unexpected:\n%s\n' "$good"; exit 1; }
bad=$(build broken) && { printf 'a build that fails works:\n%s\n' "$bad"; exit 1; }
[[ $bad == *'a.cpp:1: broken'* && $bad != *'built build'* && $bad != *'[2/3]'* ]] || { printf 'unexpected:\n%s\n' "$bad"; exit 1; }
