// SPDX-License-Identifier: Apache-2.0
// How fast a machine joins two of its parts, for tests of what builds machines.
#pragma once

#include <string>

#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology.h"

namespace p2plab::test {

/// Of the route between two ranks.
inline Bandwidth capacity(const Topology& topology, int from, int to) {
  const auto& routes = topology.routes();
  return routes.bottleneck(routes.between(Rank{from}, Rank{to}));
}

/// Of all links from one node to another.
inline Bandwidth rate(const Topology& topology, const std::string& from, const std::string& to) {
  Bandwidth sum;
  for (const auto& link : topology.links()) {
    if (topology.node(link.from).name == from && topology.node(link.to).name == to) sum += link.bandwidth;
  }
  return sum;
}

}  // namespace p2plab::test
