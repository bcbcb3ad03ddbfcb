// SPDX-License-Identifier: Apache-2.0
// The steps of a forest: chunks run up trees, adding, and down trees, level by level.
#pragma once

#include "forest/images.h"

namespace p2plab {

/// A share of a block that goes up one tree and down another, or one of both; the tree not taken is null.
struct ForestPiece {
  std::size_t block = 0;
  std::int64_t weight = 0;
  const ForestTree* up = nullptr;
  const ForestTree* down = nullptr;
};

/// The paths of the trees that go up, and of those that go down, in the direction of the data.
struct ForestPaths {
  const PathTable& up;
  const PathTable& down;
};

/// The block whose trees start or end at each rank; by rank.
std::vector<std::size_t> blocks_by_root(const DataFlow& flow, int ranks);

/// Adds a chunk for each piece and all its transfers. Levels of the trees set the order, so that pieces interleave: up from the lowest leaves, then
/// down. Takes time and memory in proportion to the transfers. With `images` (null: none) the plan is folded: pieces stand for their images.
void list_pieces(const Topology& topology, const ForestPaths& paths, const ForestImages* images, std::vector<ForestPiece> pieces, DataFlow& flow);

}  // namespace p2plab
