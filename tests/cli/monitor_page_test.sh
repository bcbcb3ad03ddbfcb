#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# monitor_page_test.sh PROGRAM: the page of `p2plab monitor --serve`: who is let in, and what a browser makes of it. Run by ctest; 77: skipped.
set -uo pipefail
program=$1 code=0 folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT
fail() { printf '%s\n' "$*"; code=1; }

command -v curl >/dev/null || { echo "SKIPPED: no curl"; exit 77; }
P2PLAB_MONITOR=steps P2PLAB_MONITOR_DIR=$folder "$program" bench --executor host --processes 3 --algorithm ring -b 4K -e 4K -n 8 >/dev/null || fail "bench failed"
"$program" monitor --serve 127.0.0.1:0 --dir "$folder" --ended --for 60s >"$folder/url" 2>"$folder/err" &
server=$!
for _ in {1..100}; do [[ -s $folder/url ]] && break; sleep 0.05; done
grep -q 'built without' "$folder/err" && { echo "SKIPPED: built without cpp-httplib"; exit 77; }
url=$(head -1 "$folder/url")
status() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$@"; }

[[ $(status "$url") == 200 ]] || fail "the page is not served"
[[ $(status -H 'Host: evil.example' "$url") == 421 ]] || fail "another host's name is let in"
[[ $(status -H 'Origin: http://evil.example' "${url}picture") == 403 ]] || fail "another origin is let in"
[[ $(status -X POST "$url") == 405 ]] || fail "a POST is let in"
[[ $(status "${url}no-such") == 404 ]] || fail "a page that is not there is there"
for _ in {1..100}; do curl -s --max-time 5 "${url}picture" | grep -q '"operation":"all_reduce"' && break; sleep 0.05; done
curl -s --max-time 5 "${url}picture" | grep -q '"operation":"all_reduce"' || fail "the picture lacks the calls"
curl -s --max-time 5 "${url}metrics" | grep -q '^p2plab_calls_total{' || fail "no metrics"
curl -s --max-time 5 "${url}trace" | grep -q '"traceEvents"' || fail "no trace"
# Of several records of one process each call's steps are found by its communicator.
calls=$(curl -s --max-time 5 "${url}calls")
query='s/.*"communicator":"\([0-9a-f]*\)","rank":\([0-9]*\),.*"sequence":\([0-9]*\),.*"pid":\([0-9]*\),"source":"\([a-z0-9]*\)".*/pid=\4\&source=\5\&communicator=\1\&rank=\2\&sequence=\3/p'
mapfile -t asked < <(sed 's/{"event"/\n&/g' <<<"$calls" | sed -n "$query" | sort -u)
((${#asked[@]} >= 6)) || fail "only ${#asked[@]} calls"
for call in "${asked[@]}"; do
  curl -s --max-time 5 "${url}steps?$call" | grep -q '"step":' || { fail "no steps of $call"; break; }
done
grep -q '^data: {' <<<"$(curl -s -N --max-time 2 "${url}events")" || fail "no events"
curl -s -D - -o /dev/null --max-time 5 "$url" | grep -qi "content-security-policy: default-src 'none'" || fail "the page may load from elsewhere"

if command -v chromium >/dev/null; then
  for size in 390,844 1280,800; do
    for _ in 1 2 3 4; do  # the browser prints the page as it is once loaded, which may be before the first event
      chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$folder/browser" --window-size=$size --timeout=5000 \
               --dump-dom "$url" >"$folder/dom" 2>/dev/null
      grep -q '<polyline' "$folder/dom" && break
    done
    grep -q '<td>all_reduce' "$folder/dom" || fail "the browser ($size) shows no calls"
    grep -q '<polyline' "$folder/dom" || fail "the browser ($size) draws no latencies"
    grep -q 'class="dim">connecting' "$folder/dom" && fail "the browser ($size) got no events"
  done
else
  echo "no chromium: the page was not opened in a browser"
fi
exit "$code"
