// SPDX-License-Identifier: Apache-2.0
// Closed tours of sparse machines: meshes, tori, hypercubes, where a search from point to point ends in corners.
#pragma once

#include <optional>
#include <vector>

#include "ring/cycles.h"

namespace p2plab {

/// Some cycle through all points over allowed hops, starting at point 0; none if none was found. Points are first divided among short cycles (a
/// perfect matching of points and followers); two cycles become one where a hop of each can be exchanged for two between them. Where that ends with
/// several, it is tried again in another order, up to 200 times; the same costs give the same cycle.
std::optional<std::vector<int>> merged_cycle(const CostMatrix& costs);

}  // namespace p2plab
