// SPDX-License-Identifier: Apache-2.0
// Old trees made whole again on a machine that has lost something: what stays of them is kept, and what is cut off is joined where there is room.
#pragma once

#include "forest/lp/tree_packing_lp.h"

namespace p2plab {

/// Trees for the request out of `request.previous`, of about their height, with the old proportions of a root's trees (for both ways: of all trees):
/// not always the best, `share` says how good. None if some terminal cannot be reached, or if the proportions leave no whole numbers.
std::optional<PackedForest> repair_trees(const Topology& topology, const PackingRequest& request);

}  // namespace p2plab
