#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes today's errors of the galleries into gallery_errors.csv, whose lines of first tries stay; then `./dev tables` writes them into the text.
# Usage: experiments/measured/gallery_errors.sh PROGRAM
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export P2PLAB_PROFILES=${P2PLAB_PROFILES:-$PWD/profiles}
program=$1 file=experiments/measured/gallery_errors.csv
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT
{
  echo 'machines,rows are,band,rows,median error %,inside %,worst,at'
  for gallery in gallery unseen unseen_second unseen_third; do
    case $gallery in
      gallery) name='20 of the gallery' ;;
      unseen) name='10 unseen' ;;
      unseen_second) name='11 more unseen' ;;
      unseen_third) name='13 of a third round' ;;
    esac
    grep "^\"$name, first try\"," "$file" || true
    "$program" run "configs/$gallery.yaml" --out "$out/$gallery" >/dev/null 2>&1
    tail -n +2 "$out/$gallery/gallery_bands.csv" | sed "s/^/$name,/"
  done
} >"$out/errors.csv"
cp "$out/errors.csv" "$file"
