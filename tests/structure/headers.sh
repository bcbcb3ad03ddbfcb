#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, with nothing but the public folders to include from. CXX names the compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folders=()
for library in framework algorithms simulator kernels experiments; do folders+=("-I$library/include"); done
find ./*/include -name '*.h' | sort | xargs -P "$(nproc)" -I{} "${CXX:-c++}" -std=c++20 -x c++ -fsyntax-only -w "${folders[@]}" {} ||
  { printf 'error: the headers named above do not compile alone\n' >&2; exit 1; }
