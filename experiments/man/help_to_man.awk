# SPDX-License-Identifier: Apache-2.0
# Turns a command's --help into a man page. Variables: command ("p2plab plan"), name ("p2plab-plan"), version.

function safe(text) {
  gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); sub(/^[.']/, "\\\\\\&&", text)
  return text
}

function section(title) { print ".SH " title }

# "  --size S=64 MiB Excludes: --repair   what it is": what stands before two blanks is the option, what follows explains it.
function entry(line,    at, head, tail) {
  sub(/^  /, "", line)
  at = match(line, /  +/)
  head = at ? substr(line, 1, at - 1) : line
  tail = at ? substr(line, at + RLENGTH) : ""
  sub(/ Excludes:.*/, "", head); sub(/:(FLOAT|INT|UINT|TEXT)/, "", head)
  print ".TP"; print ".B " safe(head)
  if (tail != "") print safe(tail)
}

NR == 1 {
  summary = $0
  sub(/\.$/, "", summary)
  print ".\\\" Made from the program's --help."
  print ".TH \"" toupper(name) "\" 1 \"\" \"p2plab " version "\" \"p2plab\""
  section("NAME"); print safe(name) " \\- " safe(summary)
  next
}
/^Usage: / {
  usage = $0
  sub(/^Usage: /, "", usage); sub(/^p2plab /, "", usage)
  last = command; sub(/.* /, "", last); sub("^" last " ", "", usage)
  section("SYNOPSIS"); print ".B " safe(command); print safe(usage)
  next
}
/^Positionals:/ { section("ARGUMENTS"); next }
/^Options:/ { section("OPTIONS"); next }
/^Subcommands:/ { section("COMMANDS"); next }
/^Example: / { section("EXAMPLE"); example = $0; sub(/^Example: /, "", example); print ".nf"; print safe(example); print ".fi"; next }
/^\[.*\]/ || /^[A-Z].*:$/ { title = $0; gsub(/[\[\]:]/, "", title); section("\"" toupper(title) "\""); next }
/^  [^ ]/ { entry($0); next }
/^   +[^ ]/ { text = $0; sub(/^ +/, "", text); print safe(text); next }
END {
  section("EXIT STATUS")
  print "0 done, 1 input or machine, 2 usage, 3 verification failed, 130 Ctrl-C."
  section("ENVIRONMENT")
  print ".TP\n.B P2PLAB_PROFILES\nfolders, separated by : , of profiles that are found by name, before those that were installed"
  print ".TP\n.B P2PLAB_NCCL, P2PLAB_NVRTC\nthe libraries to load instead of the system's"
  section("SEE ALSO")
  print command == "p2plab " ? "The page of each command, as in" : ".BR p2plab (1)."
  if (command == "p2plab ") print ".BR p2plab\\-run (1)."
}
