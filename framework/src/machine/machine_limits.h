// SPDX-License-Identifier: Apache-2.0
// What bounds a machine, listed once when it is built.
#pragma once

#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// The links by which data comes to host memory and leaves it again; none where some of it could take other ways (a host that passes peer accesses
/// on, a network).
std::vector<LinkId> staging_links(const Topology& topology);

/// Topology::limits(), of all links' ids and the staging links, which the limits refer to.
std::vector<MachineLimit> machine_limits(const Topology& topology, std::span<const LinkId> ids, std::span<const LinkId> staging);

}  // namespace p2plab
