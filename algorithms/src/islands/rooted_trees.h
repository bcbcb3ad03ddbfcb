// SPDX-License-Identifier: Apache-2.0
// Broadcast and reduce over two levels of islands by as many trees as it takes for every member to send about as much over the ways between islands:
// a shard for each member of an island, cut again for several trees over the islands, in one of which each island passes on (spread_trees.h).
#pragma once

#include "common/data_flow.h"
#include "islands/hierarchy.h"

namespace p2plab {

/// Of two levels. Sums are read inside islands and sent on in the same step. The root's own shard is passed on inside its island by the others in
/// turn, so that it sends (or gets) each byte once there. Errors: those of DataFlow.
Result<Plan> plan_rooted_trees(const Topology& topology, const Hierarchy& hierarchy, const Collective& collective, Bytes size);

}  // namespace p2plab
