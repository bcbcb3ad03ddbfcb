// SPDX-License-Identifier: Apache-2.0
// Best paths out of one node, over the links that transfers of a kind may take.
#pragma once

#include <limits>
#include <map>
#include <vector>

#include "p2plab/detail/parallel_links.h"
#include "p2plab/machine/topology.h"
#include "p2plab/machine/topology_graph.h"

namespace p2plab {

/// Latency in picoseconds, then number of links.
using PathDelay = std::pair<std::int64_t, std::int64_t>;

/// Which links a path may take. `fabric`: those between GPUs and NVSwitches only, which is what a peer access takes wherever there is such a way;
/// `server`: all that are no network's; `anywhere`: all, though data that came from a network never goes out to one again (hosts and NICs do not
/// forward between NICs), and a NIC never joins two devices of its own server.
enum class Reach { fabric, server, anywhere };

/// Paths out of one node, in two passes: how wide a path to each node can be at best, then, for each such width, the quickest path at least as
/// wide. One pass would not do: a wide but slow beginning hides a quicker one that the bottleneck further on makes just as wide.
class PathFinder {
 public:
  PathFinder(const Topology& topology, Reach reach);

  /// Has the node any link of this reach?
  bool leaves(NodeId source) const;
  void start(NodeId source);
  std::vector<LinkId> path_to(NodeId target);
  /// Was the last path from `path_to` the only one as wide that is as quick? Then a symmetry of the machine carries it to the path of its ends'
  /// images.
  bool only_one() const { return only_one_; }
  /// Bytes per second of the widest path; zero if there is none.
  std::int64_t width_to(NodeId target) const;
  PathDelay delay_of(const std::vector<LinkId>& path) const;

 private:
  std::size_t vertex_of(NodeId node) const;
  // The quickest ways that are at least so wide: how each vertex is entered last.
  struct Tree {
    std::vector<LinkId> links;
    std::vector<std::size_t> parents;
    std::vector<bool> tied;  // another link leads there as quickly
  };
  Tree quickest_tree(std::int64_t width);
  template <class Cost, class Combine, class Visitor>
  void run(std::int64_t width, const std::vector<Cost>& weights, std::vector<Cost>& costs, Cost zero, Cost infinity, Combine combine,
           Visitor visitor);

  const Topology& topology_;
  ParallelLinks parallel_;
  TopologyGraph graph_;  // vertex: stage * nodes + node; stages only where a path's past matters
  std::size_t stages_ = 1;
  NodeId source_;
  std::vector<std::int64_t> widths_;    // by vertex, negative
  std::map<std::int64_t, Tree> trees_;  // by width
  bool only_one_ = true;
};

}  // namespace p2plab
