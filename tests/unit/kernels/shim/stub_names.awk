# SPDX-License-Identifier: Apache-2.0
# A library in C that has every name of names.txt: each keeps its arguments and answers with its number.
/^#/ || NF == 0 { next }
{ names[count++] = $1 }
END {
  print "long stub_arguments[9];\ndouble stub_number;\nint stub_last = -1;"
  for (i = 0; i < count; i++) {
    print "long " names[i] "(long a, long b, long c, long d, long e, long f, long g, long h, long i, double x) {"
    print "  long all[9] = {a, b, c, d, e, f, g, h, i};\n  for (int k = 0; k < 9; k++) stub_arguments[k] = all[k];"
    print "  stub_number = x;\n  stub_last = " i ";\n  return " i + 1000 ";\n}"
  }
}
