// SPDX-License-Identifier: Apache-2.0
// The trees that an old plan's data took, as far as today's machine still has their links.
#pragma once

#include "forest/tree_list.h"
#include "p2plab/program/planner.h"

namespace p2plab {

/// Trees with the NodeIds and links of today's machine; an edge that was lost is not in the list, so a tree may have come apart. `count` is the
/// weight of the chunk. Paths lead away from the root.
struct TreesOfPlan {
  TreeList in;   // data ran up them
  TreeList out;  // down them
};

/// Reads the trees off the steps of a plan, one for each chunk (for all_reduce two, in the same order). Data that went the machine's own way goes
/// today's own way. What makes no tree is left out, so a plan of any kind, even a wrong one, may be given.
TreesOfPlan trees_of_plan(const Topology& now, const PreviousPlan& previous);

}  // namespace p2plab
