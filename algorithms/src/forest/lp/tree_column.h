// SPDX-License-Identifier: Apache-2.0
// One tree that stands for its images under a machine's symmetries: how a forest is written down while its weights are sought.
#pragma once

#include <span>

#include "forest/lp/height_limited_trees.h"
#include "forest/lp/orbit_capacities.h"
#include "forest/tree_list.h"

namespace p2plab {

struct TreeColumn {
  bool in = false;  // against the links
  int root = 0;     // position among the terminals
  int height = 0;
  std::vector<std::pair<int, int>> edges;  // positions, parents first
  std::vector<int> links;                  // of all edges; those of edge e end at ends[e]
  std::vector<std::size_t> ends;
  std::vector<std::pair<int, int>> uses;  // orbit of capacities, how often
};

/// The tree along the paths that were cheapest when it was grown.
TreeColumn column_of(const HeightLimitedTrees& grower, const HeightLimitedTrees::Tree& tree, const OrbitCapacities& capacities);

/// A tree whose paths lead away from the root; `position` by NodeId.
TreeColumn column_of(const ForestTree& tree, const PathTable& paths, const std::vector<int>& position, const OrbitCapacities& capacities);

/// Adds the tree itself, `count` copies.
void add_tree(const TreeColumn& column, std::int64_t count, const std::vector<int>& terminals, TreeList& list);

/// Whole numbers in proportion to the weights: the simplest fractions within the (relative) tolerance where they have a small common denominator,
/// else rounded to 2^-25; every lot keeps its sum.
/// `lots[i]` is the lot of weight i, `sums` what the weights of each lot should add up to.
std::vector<std::int64_t> whole_weights(std::span<const double> weights, std::span<const int> lots, std::span<const double> sums, double tolerance);

}  // namespace p2plab
