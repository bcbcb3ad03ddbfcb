// SPDX-License-Identifier: Apache-2.0
// The topology as a Boost.Graph value, for Boost's algorithms. Heavy: include it in sources, not in headers.
#pragma once

#include <boost/graph/adjacency_list.hpp>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A directed multigraph: vertex number = NodeId, edge property = LinkId.
using TopologyGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, NodeId, LinkId>;

/// The graph of all nodes and links of `topology`.
TopologyGraph make_graph(const Topology& topology);

}  // namespace p2plab
