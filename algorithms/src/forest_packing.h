// Packs spanning out-trees, each root its number, into a graph of GPUs: Edmonds' theorem made into an algorithm, shallow edges first.
#pragma once

#include <vector>

#include "forest_graph.h"

namespace p2plab {

/// `count` equal trees from one root. Edges are listed so that an edge's tail is in the tree before it.
struct ForestTree {
  struct Edge {
    int from = 0;
    int to = 0;
    std::vector<LinkId> path;
  };
  int root = 0;
  std::int64_t count = 0;
  std::vector<Edge> edges;
};

/// The most edges between the root and a vertex.
int height(const ForestTree& tree);

/// Trees that use no more than the capacities, `problem.trees[v]` from each root v. The problem must be feasible and have no switches.
std::vector<ForestTree> pack_trees(const ForestProblem& problem);

}  // namespace p2plab
