// SPDX-License-Identifier: Apache-2.0
// The best packing of trees where cuts alone do not decide, since some nodes that may branch need not be reached: exact, for small machines.
#pragma once

#include <optional>
#include <vector>

#include "p2plab/detail/tree_shares.h"

namespace p2plab::bounds {

/// What is reached, and the prices that prove what can be.
struct TreePacking {
  double reached = 0;               // bytes per second of weight 1 (of all roots together where they are free)
  double proved = 0;                // the same, at most: by the prices, or what was known
  bool exact = false;               // the two are the same
  std::vector<double> prices = {};  // by Topology::limits(); empty where only what was known is proved
};

/// May trees branch at nodes that they need not reach?
bool has_choices(const Topology& topology, const TreeDemand& demand);

/// Linear program with a column a tree (a pair of trees, where both kinds are asked for), priced by `TreeFinder`. It ends where `known` bytes per
/// second, which something else proves to be the most, are reached; where more nodes may branch than can be tried, only that makes it exact. `work`
/// limits it, in comparisons, about 1e8 a second; none if one round alone takes more, or the solver gives up.
std::optional<TreePacking> best_tree_packing(const Topology& topology, const TreeDemand& demand, double known, double work);

}  // namespace p2plab::bounds
