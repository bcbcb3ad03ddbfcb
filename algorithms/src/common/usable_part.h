// SPDX-License-Identifier: Apache-2.0
// What planners that weigh rates against each other work on: the part of each rate that a plan can use.
#pragma once

#include <functional>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// The machine, its links and limits cut down to what the collective can use of them if they lie so far apart that sums of them lose digits; node
/// and link ids stay. The machine as it is where no bound is known. `stop` (may be empty) ends the search for a nearer bound.
Topology usable_part(const Topology& topology, const Collective& collective, const std::function<bool()>& stop);

/// The part of `bound` that the plan's links carry, at most 1: what reasons may say.
double share_of_bound(const Topology& topology, const Schedule& schedule, const Bound& bound);

}  // namespace p2plab
