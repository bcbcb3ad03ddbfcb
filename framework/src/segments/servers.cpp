// SPDX-License-Identifier: Apache-2.0
#include "p2plab/segments/servers.h"

#include "p2plab/machine/islands.h"

namespace p2plab {

Servers servers_of(const Topology& topology) {
  const auto count = topology.ranks();
  Servers servers{.of = std::vector<int>(static_cast<std::size_t>(count), -1), .ranks = {}};
  const auto joined = [&](Rank a, Rank b) {
    const auto between = route_class(topology, a, b);
    return between != RouteClass::network && between != RouteClass::none;
  };
  for (int seed = 0; seed < count; ++seed) {
    if (servers.of[static_cast<std::size_t>(seed)] >= 0) continue;
    const auto number = servers.count();
    servers.ranks.emplace_back();
    servers.of[static_cast<std::size_t>(seed)] = number;
    std::vector<Rank> open{Rank{seed}};
    while (!open.empty()) {
      const auto rank = open.back();
      open.pop_back();
      for (int other = 0; other < count; ++other) {
        auto& of = servers.of[static_cast<std::size_t>(other)];
        if (of >= 0 || !(joined(rank, Rank{other}) || joined(Rank{other}, rank))) continue;
        of = number;
        open.emplace_back(other);
      }
    }
  }
  for (int rank = 0; rank < count; ++rank) servers.ranks[static_cast<std::size_t>(servers.of[static_cast<std::size_t>(rank)])].push_back(Rank{rank});
  return servers;
}

}  // namespace p2plab
