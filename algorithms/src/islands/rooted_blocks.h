// SPDX-License-Identifier: Apache-2.0
// Gather and scatter over two levels of islands: each block passes between islands by its own member's way out, and inside the root's island through
// the member that is placed there as its own is, so that what the root gets or gives is on all ways of its island, not on its own alone.
#pragma once

#include "common/data_flow.h"
#include "islands/hierarchy.h"

namespace p2plab {

/// Two rounds: of those from elsewhere, n / g blocks pass each of the g members of the root's island. Errors: unsupported (more than two levels),
/// those of DataFlow.
Result<Plan> plan_rooted_blocks(const Topology& topology, const Hierarchy& hierarchy, const Collective& collective);

}  // namespace p2plab
