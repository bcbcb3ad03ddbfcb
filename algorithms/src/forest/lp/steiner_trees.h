// SPDX-License-Identifier: Apache-2.0
// Cheap trees that span only some terminals and pass through others where that is cheaper: how GPUs outside a group relay for it.
#pragma once

#include <optional>
#include <vector>

#include "forest/lp/height_limited_trees.h"

namespace p2plab {

/// A tree from `root` to all terminals that are `needed`, of at most `most_height` hops; others are in it only where data passes on from them. Each
/// in turn by the cheapest way from the tree (Takahashi and Matsuyama), then ways are exchanged while that helps: not always the cheapest, except for
/// one receiver. None if there is none. Parents of what the tree leaves out are -1.
std::optional<HeightLimitedTrees::Tree> cheapest_through(const HeightLimitedTrees& trees, const std::vector<bool>& needed, int root, int most_height);

/// The most hops that are needed from `root` to a terminal that is `needed`; -1 if one cannot be reached.
int hops_to_needed(const HeightLimitedTrees& trees, const std::vector<bool>& needed, int root);

}  // namespace p2plab
