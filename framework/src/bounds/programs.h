// Bounds by linear programs, for what cuts alone cannot say: shared budgets, node limits, switches that may not copy, two trees on one link.
#pragma once

#include <optional>
#include <vector>

#include "p2plab/topology.h"

namespace p2plab::bounds {

/// Trees to pack, in whatever shares are best. Vertices are NodeIds.
struct TreeDemand {
  /// Vertices that every out-tree must reach; empty: no out-trees.
  std::vector<int> receivers;
  /// Vertices that every in-tree must collect from; empty: no in-trees.
  std::vector<int> givers;
  /// Weight of each vertex as a root; empty: free, every GPU may take what share it likes.
  std::vector<std::int64_t> weights;
};

/// The greatest rate in bytes per second: all of it where roots are free, else that of weight 1. Out-trees and in-trees share the links. Exact up
/// to the solver's tolerance (1e-9); attained where every GPU is a receiver or giver. None if the solver gives up.
std::optional<double> tree_rate(const Topology& topology, const TreeDemand& demand);

/// Something to be sent from a source to several sinks, in parts of its own for each.
struct Commodity {
  int source;
  std::vector<std::pair<int, std::int64_t>> sinks;
};

/// The greatest rate in bytes per second of weight 1, for all commodities at once; with `reversed`, data runs from the sinks to the source.
std::optional<double> flow_rate(const Topology& topology, const std::vector<Commodity>& commodities, bool reversed);

}  // namespace p2plab::bounds
