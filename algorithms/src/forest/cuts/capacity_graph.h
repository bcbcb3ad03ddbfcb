// SPDX-License-Identifier: Apache-2.0
// Tree packing problems: a directed graph of GPUs with whole capacities, and how many trees each root must send. Switches are split off first.
#pragma once

#include <optional>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// One bundle of capacity from a vertex to another along one physical path.
struct ForestArc {
  int from = 0;
  int to = 0;
  std::int64_t capacity = 0;
  std::vector<LinkId> path;
};

/// Vertex = NodeId. `trees[v]` out-trees start at v; each must reach all terminals. Trees pass only through terminals once switches are gone.
struct ForestProblem {
  int vertices = 0;
  std::vector<ForestArc> arcs;
  std::vector<std::int64_t> trees;
  std::vector<int> terminals;
  const Topology* machine = nullptr;  // whose links the paths name; null: paths may go on everywhere

  std::int64_t total() const;
};

/// Can all trees be packed? Exactly if every terminal can be sent a unit for each tree at once (Edmonds; with switches: Bang-Jensen, Frank and
/// Jackson, where switches take in at least what they send).
bool feasible(const ForestProblem& problem);

/// Replaces every vertex that is no terminal by arcs past it, so that the trees can still be packed: spread evenly over pairs of neighbours that no
/// wider links join, where that is possible, and pair by pair (Frank's splitting off, as in ForestColl) where it is not. Arcs remember their paths.
/// None if the problem was not feasible.
std::optional<ForestProblem> without_switches(ForestProblem problem);

}  // namespace p2plab
