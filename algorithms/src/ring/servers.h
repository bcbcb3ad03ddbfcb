// SPDX-License-Identifier: Apache-2.0
// Members by server, and what leads out of each.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Positions of the members of each server: of those that reach each other past no network.
std::vector<std::vector<int>> servers_of(const Topology& topology, std::span<const Rank> members);

/// The network links out of each server, over all routes to members elsewhere. Empty if some route to another server takes no network, or if there
/// is one server only.
std::vector<std::set<LinkId>> links_out_of(const Topology& topology, std::span<const Rank> members, const std::vector<std::vector<int>>& servers);

/// Bytes per second that those links of each server carry. Empty as they are.
std::vector<double> rates_out_of(const Topology& topology, std::span<const Rank> members, const std::vector<std::vector<int>>& servers);

}  // namespace p2plab
