// SPDX-License-Identifier: Apache-2.0
// Cycles through all points that share no hop, where every point has a hop to every other one.
#pragma once

#include <cstddef>
#include <vector>

namespace p2plab {

/// Cycles through points 0 to n - 1, no two with a common hop from one point to another: n - 1 if n is odd, which are all hops, else n - 2; at most
/// `most` of them. Zigzags across a circle of n - 1 points and the one that is left, turned, and each of them backwards (Walecki, 1883, as in
/// Alspach, 2008, for odd n; for even n turned so that no two zigzags have a hop in common). n of at least 3.
std::vector<std::vector<int>> mesh_cycles(int n, std::size_t most);

}  // namespace p2plab
