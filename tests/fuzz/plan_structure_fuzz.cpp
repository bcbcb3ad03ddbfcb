// SPDX-License-Identifier: Apache-2.0
// Plans of valid JSON and wild content: what is read is proved or refused, and what is proved is lowered or refused.
#include "p2plab/program/check.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/verify.h"
#include "structure.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto plan = p2plab::read_plan(p2plab::test::changed_document("plan", data, size), "fuzz.json");
  if (!plan) {
    p2plab::expects(!describe(plan.error()).empty());
    return 0;
  }
  const auto text = p2plab::write_plan(*plan);
  const auto again = p2plab::read_plan(text, "fuzz.json");
  p2plab::expects(again && p2plab::write_plan(*again) == text);
  const auto proof = p2plab::verify(plan->topology, plan->plan.schedule, {.in_place = plan->in_place});
  if (!proof) {
    p2plab::expects(!describe(proof.error()).empty());
    return 0;
  }
  const auto program = p2plab::lower(plan->plan.schedule, *proof, plan->payload, plan->plan.tuning);
  if (!program) return 0;
  // A program that is lowered is in order; the checker may say that it is too large to prove.
  const auto checked = p2plab::check(plan->topology, *program);
  p2plab::expects(checked || checked.error().code != p2plab::ErrorCode::verification_failed);
  return 0;
}
