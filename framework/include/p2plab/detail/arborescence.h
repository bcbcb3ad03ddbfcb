// SPDX-License-Identifier: Apache-2.0
// The cheapest spanning tree away from a root (Chu and Liu, Edmonds), on a full matrix of costs.
#pragma once

#include <limits>
#include <span>
#include <vector>

namespace p2plab {

/// What an edge costs that is not there.
inline constexpr double never = std::numeric_limits<double>::infinity();

/// Parents of the cheapest tree over n vertices, -1 at the root; `costs[u * n + v]` is the cost of u -> v, infinite where there is no edge. Empty if
/// the root does not reach all. Time about n^2 for each time that cycles must be contracted.
std::vector<int> cheapest_arborescence(int n, int root, std::span<const double> costs);

}  // namespace p2plab
