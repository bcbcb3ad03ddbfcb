#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# browser_test.sh P2PLAB CHROMIUM NODE FOLDER: makes a page of each kind of report and looks at it; screenshots stay in FOLDER/screenshots.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1 chromium=$2 node=$3 folder=$4
for needed in "$chromium" "$node"; do
  if [[ ! -x $needed ]]; then
    printf '%s:1: Skipped\nno headless Chromium or no Node.js here, so no page is opened\n\n[  SKIPPED ] browser (0 ms)\n' "$here/browser_test.sh"
    exit 0
  fi
done
rm -rf "$folder"
mkdir -p "$folder"
cat > "$folder/sweep.yaml" <<'YAML'
version: 1
collectives: [all_reduce, all_gather]
algorithms: [ring, tree, one_shot, two_shot, auto]
sizes: {from: 1 KiB, to: 16 MiB, factor: 8}
matrix:
  machine: {whole: {topology: {preset: hgx-h200, gpus: 4}}, dgx1: {topology: {preset: dgx-v100}}}
  loss: {none: {}, one GPU: {mask: {gpus: [gpu3]}}}
YAML
cd "$here/../.."
"$program" run configs/4gpu_h200.yaml --out "$folder/run" > "$folder/log" 2>&1
"$program" run "$folder/sweep.yaml" --out "$folder/sweep" >> "$folder/log" 2>&1
"$program" run configs/gallery.yaml --out "$folder/gallery" >> "$folder/log" 2>&1
"$node" "$here/made_up.mjs" "$folder/run/report.html" "$folder/measured" "$folder/large"
"$node" "$here/report_test.mjs" "$chromium" "$folder/screenshots" "$folder"/{run,sweep,measured,large}/report.html "$folder/gallery/gallery.html"
