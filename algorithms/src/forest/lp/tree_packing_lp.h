// SPDX-License-Identifier: Apache-2.0
// The best weighted packing of low trees, by linear program with column generation: few trees, exact where the optimum is reached.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "forest/direction.h"
#include "forest/tree_list.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

struct TreesOfPlan;

/// What to pack among some GPUs.
struct PackingRequest {
  /// NodeIds that every tree must span, except where `needed` says no: trees may pass through those.
  std::vector<int> terminals;
  /// By terminal; empty: all are.
  std::vector<bool> needed = {};
  /// Share of each terminal as a root; empty: in-trees and out-trees at the same time, from every root as many of the one as of the other.
  std::vector<std::int64_t> weights;
  /// In-trees; without meaning where weights are empty.
  TreeDirection direction = TreeDirection::from_root;
  /// Bytes per second of weight 1 (of all roots together where weights are empty) beyond which nothing can be gained.
  double target = 0;
  /// True when the time is up: the best so far is good enough.
  std::function<bool()> stop = [] { return false; };
  /// Trees that an old plan had; null: none.
  const TreesOfPlan* previous = nullptr;
  /// Trees that stand for their images may be left so.
  bool fold = false;
};

/// Trees, and what they are worth.
struct PackedForest {
  TreeList in;   // edges run away from the root, paths against them
  TreeList out;  // paths in the direction of the edges
  int height = 0;
  double share = 0;  // of the target that is reached; above 1 - 1e-9 it is reached exactly
};

/// Trees of the least height found at which the target is reached, or what comes nearest to it. Trees are sought for one root of each orbit of the
/// machine's symmetries and serve the other roots as images, so machines of a thousand GPUs alike cost little more than one GPU. Groups and node
/// limits count. None if terminals cannot reach each other, or if the machine has too little symmetry for its size. With `seeds` the search starts
/// from these trees.
std::optional<PackedForest> pack_height_limited_trees(const Topology& topology, const PackingRequest& request, const PackedForest* seeds = nullptr);

}  // namespace p2plab
