// SPDX-License-Identifier: Apache-2.0
// Packs spanning out-trees, each root its number, into a graph of GPUs: Edmonds' theorem made into an algorithm, shallow edges first.
#pragma once

#include <vector>

#include "forest/cuts/capacity_graph.h"
#include "forest/tree_list.h"

namespace p2plab {

/// Trees that use no more than the capacities, `problem.trees[v]` from each root v. The problem must be feasible and have no switches.
TreeList pack_trees(const ForestProblem& problem);

}  // namespace p2plab
