// SPDX-License-Identifier: Apache-2.0
// Reads any text as a plan file; what is read must be writable and readable again, and verifying it must end.
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/verify.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto plan = p2plab::read_plan(p2plab::test::text_of(data, size), "fuzz.json");
  if (!plan) {
    p2plab::expects(!describe(plan.error()).empty());
    return 0;
  }
  const auto text = p2plab::write_plan(*plan);
  const auto again = p2plab::read_plan(text, "fuzz.json");
  p2plab::expects(again && p2plab::write_plan(*again) == text);
  const auto proof = p2plab::verify(plan->topology, plan->plan.schedule);
  p2plab::expects(proof || !describe(proof.error()).empty());
  return 0;
}
