// SPDX-License-Identifier: Apache-2.0
// Which ranks of a machine live in one server: they touch each other's memory; the others are reached by messages over a network.
#pragma once

#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

struct Servers {
  std::vector<int> of;                   // by rank: its server
  std::vector<std::vector<Rank>> ranks;  // by server, rising; servers by their first rank

  int count() const { return static_cast<int>(ranks.size()); }
  bool together(Rank a, Rank b) const { return of[a.index()] == of[b.index()]; }
};

/// Ranks that some chain of routes joins without a network are of one server.
Servers servers_of(const Topology& topology);

}  // namespace p2plab
