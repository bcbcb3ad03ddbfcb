// SPDX-License-Identifier: Apache-2.0
// The cheapest tree of a root where only some nodes may branch: Steiner's problem in a directed graph, by trying all sets of nodes that may be left
// out.
#pragma once

#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// A tree and what it costs; a link stands there as often as the tree uses it.
struct PricedTree {
  double cost = 0;  // infinite if the root does not reach all
  std::vector<LinkId> links = {};
};

/// Out-trees from a root to all terminals, or in-trees from all terminals to a root. Trees may branch (join) at every GPU and at `branching` nodes
/// and pass through all others. Vertices are values of NodeIds.
class TreeFinder {
 public:
  TreeFinder(const Topology& topology, std::span<const int> terminals, std::span<const int> branching, bool in_trees);

  /// About how many comparisons one call of `cheapest` takes.
  double effort() const;
  /// The same of a finder that is not made, since it might be too large.
  static double effort_of(const Topology& topology, std::span<const int> terminals, std::span<const int> branching);
  /// Were all sets tried, so that no tree is cheaper?
  bool exact() const { return exact_; }
  /// What each use of a link costs from now on, not below zero.
  void set_prices(std::span<const double> prices);
  /// The cheapest tree found; with whole numbers as prices its cost is exact.
  PricedTree cheapest(int root) const;

 private:
  double distance(int from, int to) const { return distance_[static_cast<std::size_t>(from) * nodes_ + static_cast<std::size_t>(to)]; }
  void find_distances(int from, std::span<const double> prices);
  void list_sets();
  std::vector<int> stations_of(int start, const std::vector<int>& set) const;
  std::vector<int> starts_of(int root) const;
  double spanning(std::span<const int> stations, std::vector<int>& parents) const;
  void append_path(int from, int to, PricedTree& tree) const;

  const Topology& topology_;
  bool in_trees_;
  std::size_t nodes_;
  std::vector<int> terminals_;
  std::vector<int> optional_;           // nodes that may branch but need not be reached
  std::vector<std::vector<int>> sets_;  // of optional nodes
  bool exact_ = true;
  std::vector<double> distance_;
  std::vector<std::int32_t> last_link_;  // of the cheapest path, seen from the root's side
};

}  // namespace p2plab::bounds
