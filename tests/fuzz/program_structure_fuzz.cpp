// SPDX-License-Identifier: Apache-2.0
// Programs of valid JSON and wild content: what is read can be written and read again.
#include "p2plab/program/program_io.h"
#include "structure.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto program = p2plab::read_program(p2plab::test::changed_document("program", data, size), "fuzz.json");
  if (!program) {
    p2plab::expects(!describe(program.error()).empty());
    return 0;
  }
  const auto text = p2plab::write_program(*program);
  const auto again = p2plab::read_program(text, "fuzz.json");
  p2plab::expects(again && p2plab::write_program(*again) == text);
  return 0;
}
