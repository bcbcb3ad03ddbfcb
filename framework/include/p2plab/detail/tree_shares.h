// SPDX-License-Identifier: Apache-2.0
// The best division of a machine's links among spanning trees, by linear program: what planners of trees start from.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Trees to pack, in whatever shares are best. Vertices are values of NodeIds.
struct TreeDemand {
  /// Vertices that every out-tree must reach; empty: no out-trees.
  std::vector<int> receivers;
  /// Vertices that every in-tree must collect from; empty: no in-trees.
  std::vector<int> senders;
  /// Weight of each vertex as a root; empty: free, every GPU may take what share it likes.
  std::vector<std::int64_t> weights = {};
  /// May a host send on more than once what it got? Plans that keep nothing in host memory say no.
  bool hosts_copy = true;
  /// Other nodes that may send on more than once what they got, and that may add up what they get. Where roots are free, adding nodes may be roots.
  std::vector<int> multicast = {};
  std::vector<int> reduce = {};
  /// Once it says so, the search is given up; empty: never.
  std::function<bool()> stop = {};
};

/// One optimum, in bytes per second.
struct TreeShares {
  double rate = 0;              // of all roots together where roots are free, else of weight 1
  std::vector<double> out, in;  // by link: what out-trees and in-trees may use; empty where there are none
  std::vector<double> roots;    // by rank; what adding nodes take as roots is not listed
  std::vector<double> prices;   // by Topology::limits(): the dual, which proves that there is no more
};

/// The greatest rate and one way to reach it. Out-trees and in-trees share the links; groups and node limits count; a host may send on more than
/// once what it got, other switches may not unless the demand names them. Right up to the solver's tolerance (1e-9); attained where every GPU is a
/// receiver or sender and no host or named node multiplies or adds. None if the solver gives up.
std::optional<TreeShares> best_tree_shares(const Topology& topology, const TreeDemand& demand);

}  // namespace p2plab
