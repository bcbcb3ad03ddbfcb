# SPDX-License-Identifier: Apache-2.0
# From served.txt and names.txt (in this order): assembly for x86-64 in which every name jumps to the real library's function, found when it is first
# called. Arguments stay as they are, in registers and on the stack, so no name's signature matters. A name with code of its own
# goes to p2plab_serve_NAME, as does its twin pncclX; p2plab_real_NAME reaches the real one.
FNR == 1 { file++ }
/^#/ || NF == 0 { next }
file == 1 { served[$1] = 1; next }
{ names[count++] = $1 }
END {
  print ".text"
  for (i = 0; i < count; i++) {
    name = names[i]
    print "\n.globl p2plab_real_" name "\n.hidden p2plab_real_" name "\n.type p2plab_real_" name ", @function\np2plab_real_" name ":"
    print "  endbr64\n  jmp *p2plab_slots + " 8 * i "(%rip)"
    plain = substr(name, 1, 1) == "p" ? substr(name, 2) : name
    print ".globl " name "\n.type " name ", @function"
    if (plain in served) print name ":\n  endbr64\n  jmp p2plab_serve_" plain
    else print ".set " name ", p2plab_real_" name
    print "find_" i ":\n  pushq $" i "\n  jmp find"
  }
  # All registers that may hold arguments are kept while the function is looked for.
  print "\nfind:"
  split("rdi rsi rdx rcx r8 r9 rax", general, " ")
  for (r = 1; r <= 7; r++) print "  pushq %" general[r]
  print "  subq $136, %rsp"
  for (r = 0; r < 8; r++) print "  movups %xmm" r ", " 16 * r "(%rsp)"
  print "  movl 192(%rsp), %edi\n  call p2plab_find_real\n  movq %rax, 192(%rsp)"
  for (r = 0; r < 8; r++) print "  movups " 16 * r "(%rsp), %xmm" r
  print "  addq $136, %rsp"
  for (r = 7; r >= 1; r--) print "  popq %" general[r]
  print "  ret"
  print "\n.section .data.rel.local, \"aw\", @progbits\n.balign 8\n.globl p2plab_slots\n.hidden p2plab_slots\np2plab_slots:"
  for (i = 0; i < count; i++) print "  .quad find_" i
  print "\n.section .data.rel.ro.local, \"aw\", @progbits\n.balign 8\n.globl p2plab_names\n.hidden p2plab_names\np2plab_names:"
  for (i = 0; i < count; i++) print "  .quad name_" i
  print ".globl p2plab_name_count\n.hidden p2plab_name_count\np2plab_name_count:\n  .quad " count
  print "\n.section .rodata"
  for (i = 0; i < count; i++) print "name_" i ": .asciz \"" names[i] "\""
  print "\n.section .note.GNU-stack, \"\", @progbits"
}
