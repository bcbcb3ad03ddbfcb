// SPDX-License-Identifier: Apache-2.0
// A collective along given rings.
#pragma once

#include <string>
#include <vector>

#include "common/data_flow.h"
#include "ring/search.h"

namespace p2plab {

/// What the plan says of itself.
struct RingPlanLabel {
  std::string planner;
  Parameters parameters = {};
  std::string reason = {};
};

/// Every ring carries its share of the data: all_reduce twice around, its halves once, the others from sender to receiver along the ring. Each ring
/// passes all members and has a channel of its own. Errors: those of DataFlow::finish.
Result<Plan> plan_along(DataFlow flow, const Collective& collective, std::vector<Ring> rings, RingPlanLabel label);

}  // namespace p2plab
