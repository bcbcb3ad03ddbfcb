# SPDX-License-Identifier: Apache-2.0
# Of ctest's log of a run, why tests were skipped: one line for each reason, with the number of its tests. A reason is the first line that a test
# of GoogleTest says between "FILE:LINE: Skipped" and "[  SKIPPED ] NAME".
/^[^ ]+:[0-9]+: Skipped$/ { reading = 1; reason = "no reason given"; next }
reading && /^\[  SKIPPED \]/ {
  if (!(reason in tests)) order[++reasons] = reason
  ++tests[reason]
  reading = 0
}
/^<end of output>/ { reading = 0 }
reading && NF > 0 && reason == "no reason given" { reason = $0; sub(/^error: /, "", reason) }
END { for (r = 1; r <= reasons; ++r) printf "skipped: %d test%s: %s\n", tests[order[r]], tests[order[r]] == 1 ? "" : "s", order[r] }
