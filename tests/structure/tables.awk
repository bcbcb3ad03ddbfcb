# SPDX-License-Identifier: Apache-2.0
# Writes measured tables into Markdown: prints a file with everything between
#   <!-- table PATH.csv [columns=2,1,5] [rows=REGEX] -->   and   <!-- end -->
# made anew from PATH.csv (from the top of the project). Lines of the CSV that begin with '#' say machine, versions and method; the first other line
# names the columns. `rows` keeps rows whose first cell matches. Run by tables.sh with bare Debian's mawk.

# Cuts a CSV line into cell[1..]; quotes as in RFC 4180, a row a line. Returns their number.
function cut(line, cell,    n, c, i, quoted, text) {
  n = 0; text = ""; quoted = 0
  for (i = 1; i <= length(line); ++i) {
    c = substr(line, i, 1)
    if (quoted && c == "\"" && substr(line, i + 1, 1) == "\"") { text = text c; ++i }
    else if (c == "\"") quoted = !quoted
    else if (c == "," && !quoted) { cell[++n] = text; text = "" }
    else text = text c
  }
  cell[++n] = text
  return n
}

function row(cell, count, chosen, wanted,    out, i) {
  out = "|"
  if (wanted == 0) for (i = 1; i <= count; ++i) out = out " " cell[i] " |"
  else for (i = 1; i <= wanted; ++i) out = out " " cell[chosen[i]] " |"
  gsub(/\|  \|/, "| |", out); gsub(/\|  \|/, "| |", out)
  print out
}

function table(path, columns, rows,    line, cell, count, chosen, wanted, i, rule, seen) {
  wanted = columns == "" ? 0 : split(columns, chosen, ",")
  while ((getline line < path) > 0) {
    if (line ~ /^#/ || line == "") continue
    count = cut(line, cell)
    if (seen && rows != "" && cell[1] !~ rows) continue
    row(cell, count, chosen, wanted)
    if (!seen) {
      rule = "|"
      for (i = 1; i <= (wanted ? wanted : count); ++i) rule = rule "---|"
      print rule
      seen = 1
    }
  }
  close(path)
  if (!seen) { print FILENAME ":" FNR ": error: no table in '" path "'" > "/dev/stderr"; failed = 1 }
}

function option(text, name,    at) {
  at = index(text, " " name "=")
  if (!at) return ""
  text = substr(text, at + length(name) + 2)
  sub(/ (columns|rows)=.*/, "", text); sub(/ *-->.*/, "", text)
  return text
}

/^<!-- table / {
  print
  table($3, option($0, "columns"), option($0, "rows"))
  inside = 1
  next
}
/^<!-- end -->/ { inside = 0 }
!inside { print }
END {
  if (inside) { print FILENAME ": error: a table without its '<!-- end -->'" > "/dev/stderr"; failed = 1 }
  exit failed
}
