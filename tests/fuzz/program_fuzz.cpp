// SPDX-License-Identifier: Apache-2.0
// Reads any text as a program file; what is read must be writable and readable again.
#include "p2plab/program/program_io.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto program = p2plab::read_program(p2plab::test::text_of(data, size), "fuzz.json");
  if (!program) {
    p2plab::expects(!describe(program.error()).empty());
    return 0;
  }
  const auto text = p2plab::write_program(*program);
  const auto again = p2plab::read_program(text, "fuzz.json");
  p2plab::expects(again && p2plab::write_program(*again) == text);
  return 0;
}
