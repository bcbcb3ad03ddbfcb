// SPDX-License-Identifier: Apache-2.0
// What a machine's GPUs reach each other over.
#pragma once

#include <span>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Are there several GPUs, all joined by links between GPUs and NVSwitches, perhaps by way of other GPUs?
bool joined_by_own_links(const Topology& topology);

/// What peer accesses among all GPUs of the machine take: only the links between GPUs and NVSwitches, where these join them all, since hardware then
/// uses no other; else the whole machine. So PCIe beside NVLink never counts for GPUs that NVLinks join.
Result<Topology> peer_links(const Topology& topology);

/// The machine as a job of these GPUs may use it: all nodes and ranks stay, but the other GPUs have no links, so none of them relays, nor have
/// NICs and switches other than NVSwitches that lead nowhere then; where the
/// members' own links join them, only those carry data among them.
Result<Topology> among_members(const Topology& topology, std::span<const Rank> members);

}  // namespace p2plab
