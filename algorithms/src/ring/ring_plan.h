// SPDX-License-Identifier: Apache-2.0
// A collective along given rings.
#pragma once

#include <string>
#include <vector>

#include "common/data_flow.h"
#include "ring/search.h"

namespace p2plab {

/// Rings that turns of all members may carry onto themselves: what is planned for their first places, all others do, turned.
struct TurnedRings {
  std::vector<Ring> rings;
  std::vector<ScheduleImage> images = {};  // the first one turns nothing; none: all pieces are listed
};

/// What the plan says of itself.
struct RingPlanLabel {
  std::string planner;
  Parameters parameters = {};
  std::string reason = {};
};

/// Every ring carries its share of the data: all_reduce twice around, its halves once, the others from sender to receiver along the ring. Each ring
/// passes all members and has a channel of its own. Where the rings turn into themselves, the plan is folded: it lists the pieces of their first
/// places. Errors: those of DataFlow::finish.
Result<Plan> plan_along(DataFlow flow, const Collective& collective, TurnedRings turned, RingPlanLabel label);

}  // namespace p2plab
