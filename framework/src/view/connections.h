// SPDX-License-Identifier: Apache-2.0
// What pictures draw as one line: all links between two nodes.
#pragma once

#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// All links of one kind between two nodes, both directions together.
struct Connection {
  NodeId a;  // the lower id
  NodeId b;
  LinkKind kind = LinkKind::other;
  Bandwidth forward;   // a to b; zero if none
  Bandwidth backward;  // b to a
  Bandwidth wider() const { return forward < backward ? backward : forward; }
};

/// Every connection, by rising a, b and kind.
std::vector<Connection> connections(const Topology& topology);

}  // namespace p2plab
