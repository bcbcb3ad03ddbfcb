// SPDX-License-Identifier: Apache-2.0
// Plans made and proved in one line, for tests.
#pragma once

#include "p2plab/plan/builtin_planners.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::test {

/// The plan of a built-in planner; a plan that does not verify becomes the verifier's error.
inline Result<Plan> plan_on(const Topology& topology, const std::string& planner, const Collective& collective, const Parameters& parameters = {},
                            PlanContext context = {}) {
  const auto planners = builtin_planners();
  context.parameters = parameters;
  const auto entry = planners.get("algorithm", planner);
  if (!entry) return entry.error();
  auto plan = (*entry)->make()->plan(topology, collective, context);
  if (!plan) return plan;
  if (auto proof = verify(topology, plan->schedule, {.in_place = context.in_place}); !proof) return std::move(proof).error();
  return plan;
}

/// The same for a collective of `kind` among all ranks.
inline Result<Plan> plan_on(const Topology& topology, const std::string& planner, CollectiveKind kind, const Parameters& parameters = {}) {
  return plan_on(topology, planner, make_collective(kind, topology.ranks()), parameters);
}

}  // namespace p2plab::test
