// SPDX-License-Identifier: Apache-2.0
// Groups of GPUs that are better joined among themselves than with the rest, at several levels: bridged pairs, switches, sockets, servers.
#pragma once

#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// How data gets from one GPU to another, from near to far, by the furthest thing on the route.
enum class RouteClass { fabric, pcie_switch, host, between_hosts, network, none };

/// The class of the route between two different ranks; `none` if there is no route. `fabric` is NVLink, NVSwitch and other direct links.
RouteClass route_class(const Topology& topology, Rank from, Rank to);

/// One way of parting the ranks. Islands may be of different sizes, single ranks included; ranks rise in each, islands rise by their first rank.
struct IslandLevel {
  std::vector<std::vector<Rank>> islands;
  Bandwidth inside;    // islands hang together by routes at least this wide
  Bandwidth across;    // the widest route between two of them; zero if no route joins any two
  std::string reason;  // a phrase: what joins an island, and how much narrower the way out is
};

/// The levels of islands, finest first; each part of a level lies within one part of the next. A level is neither all ranks alone nor all together.
/// Found in two ways: ranks joined by routes at least `ratio` times as wide as any route between two groups; and ranks joined by near routes (one
/// switch, one socket, one server), where the bandwidth out of each group, per rank, is at most 1/ratio of what its ranks can send. Empty where
/// nothing parts the machine.
std::vector<IslandLevel> find_islands(const Topology& topology, double ratio = 2.0);

}  // namespace p2plab
