#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# monitor_test.sh P2PLAB WRITER CHROMIUM NODE FOLDER: the monitor's page at 10,000 calls a second, for P2PLAB_BROWSER_SECONDS (12; a minute shows more).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1 writer=$2 chromium=$3 node=$4 folder=$5
skip() { printf '%s:1: Skipped\n%s\n\n[  SKIPPED ] browser (0 ms)\n' "$here/monitor_test.sh" "$1"; exit 0; }
for needed in "$chromium" "$node"; do [[ -x $needed ]] || skip "no headless Chromium or no Node.js here, so no page is opened"; done
rm -rf "$folder"
mkdir -p "$folder"
said=$("$program" monitor --serve 127.0.0.1:0 --dir "$folder" --for 0.1s 2>&1 || true)
[[ $said != *'built without'* ]] || skip "built without cpp-httplib"
"$node" "$here/monitor_test.mjs" "$chromium" "$program" "$writer" "$folder" "${P2PLAB_BROWSER_SECONDS:-12}"
