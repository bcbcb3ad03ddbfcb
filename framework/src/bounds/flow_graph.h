// SPDX-License-Identifier: Apache-2.0
// The graph in which bounds are computed: nodes and links of the machine with whole-number capacities, maybe turned round.
#pragma once

#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include "p2plab/detail/max_flow.h"
#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// Vertex = NodeId. Capacities are bandwidths divided by their common divisor `unit` (bytes per second).
struct FlowGraph {
  struct Arc {
    int from;
    int to;
    std::int64_t capacity;
    LinkId link;
  };
  int vertices = 0;
  std::int64_t unit = 1;
  std::vector<Arc> arcs;
};

/// With `reversed`, data runs against the links: what holds for gathering out of a root then holds for reducing into it.
FlowGraph flow_graph(const Topology& topology, bool reversed);

/// Data with weight `weights[v]` starts at vertex v; all of it must reach every terminal, except what starts there.
struct Demand {
  std::vector<std::int64_t> weights;
  std::vector<int> terminals;
};

/// The demand with only one of the terminals that the machine's symmetry maps onto each other, as does the demand: the others need as much. On small
/// machines, where looking for symmetry costs more than it saves, the demand itself.
Demand one_of_each_kind(const Topology& topology, Demand demand);

/// The set with the most weight inside per capacity out, among sets that miss a terminal: weight / capacity.
/// Where a terminal cannot be reached at all, capacity is 0 and the set says why.
struct WorstCut {
  std::int64_t weight = 0;
  std::int64_t capacity = 1;
  std::vector<NodeId> nodes;
};
/// Once `stop` says so, the worst of those looked at until then.
WorstCut worst_cut(const FlowGraph& graph, const Demand& demand, const std::function<bool()>& stop = {});

/// Do all switches take in at least what they can send (send at least what they take in, if reversed)? Then cuts are enough for trees too.
bool switches_pass_all(const Topology& topology, bool reversed);

/// The least delay of a link out of these nodes (into them, if reversed); 0 without one.
Seconds least_latency(const Topology& topology, const std::vector<NodeId>& nodes, bool reversed);

}  // namespace p2plab::bounds
